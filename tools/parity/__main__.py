"""Run every case of a folder: ``python -m tools.parity FOLDER``; exit 1 when one is off."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

FAMILIES = ("eg3d", "giraffe", "pigan")  # modules beside this one


def main() -> int:
    """Print a row for each output of each case."""
    parser = argparse.ArgumentParser(prog="python -m tools.parity", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    count = failed = 0
    print(f"{'case':32} {'output':22} {'largest':>9} {'mean':>9} {'bound':>9}")
    for name in FAMILIES:
        module = import_module(f"tools.parity.{name}")
        for case in module.cases(folder):
            for row in module.run(case):
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
