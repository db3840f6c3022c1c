"""Run every case of a folder; exit 1 when one is off.

    python -m tools.parity FOLDER [--device cpu]

Networks, rays and random numbers are moved to the device, and what comes of them back. The random
numbers are the CPU's everywhere, as cameras and configurations are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import torch

import tools.parity
from graf_cli.errors import GrafError
from graf_cli.model.device import pick_device
from graf_cli.scene.kernels import full_precision
from tools.parity.rows import Row

# Bounds of the measured cases, which a processor drew, are met by another device but where a second
# pass follows the roundings of the first: there a few pixels were off by 1.7 of them.
ELSEWHERE = 2


def families() -> Iterator[str]:
    """The modules beside this one that know the cases of a family."""
    for module in iter_modules(tools.parity.__path__):
        if not module.name.startswith("_"):
            found = import_module(f"tools.parity.{module.name}")
            if hasattr(found, "cases") and hasattr(found, "run"):
                yield module.name


def rows(folder: Path, device: torch.device) -> Iterator[Row]:
    """Every comparison that a folder has."""
    for name in families():
        module = import_module(f"tools.parity.{name}")
        for case in module.cases(folder):
            yield from module.run(case, device)


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each output of each case; 0 when all are within their bounds."""
    parser = argparse.ArgumentParser(prog="python -m tools.parity", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, cuda:N or mps")
    given = parser.parse_args(arguments)
    try:
        device = pick_device(given.device)
    except GrafError as error:
        parser.error(str(error))
    times = 1 if device.type == "cpu" else ELSEWHERE
    with full_precision():
        return _told(rows(given.folder, device), f"on {device}, float32, bounds × {times}", times)


def _told(found: Iterator[Row], head: str, times: float) -> int:
    """Print what was found; whether anything is off, or nothing was found."""
    count = failed = 0
    print(head)
    print(f"{'case':32} {'output':22} {'largest':>9} {'mean':>9} {'bound':>9}")
    for one in found:
        row = one.widened(times)
        count += 1
        failed += not row.good
        print(
            f"{row.case:32} {row.output:22} {row.largest:9.1e} {row.mean:9.1e} "
            f"{row.bound:9.1e}{'' if row.good else '  OFF'}",
            flush=True,
        )
    print(f"{count} rows, {failed} off")
    return 0 if count and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
