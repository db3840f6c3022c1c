"""Memory and time of reading an EG3D of the released size: three networks, 380 MB.

    python -m benchmarks.eg3d_reading [FILE]

Without FILE one of random numbers is written, as the authors' programs lay it out, and taken away
again. Each step runs in a process of its own. What is kept are the averaged network's numbers; the
peak is that of the process less what it held before, file-backed pages included.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from graf_cli.families.eg3d.checkpoint import load
from graf_cli.families.eg3d.spec import Spec
from graf_cli.model.manifest import builtin_manifest, read_manifest
from tests.families.eg3d.files import checkpoint
from tests.weights.pickled import assemble

UNIT = 1 if sys.platform == "darwin" else 1 << 10  # of ru_maxrss, bytes
MODEL = "eg3d-ffhq-rebalanced:512"


def peak() -> int:
    """Most memory that this process ever held, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def write(path: Path) -> None:
    """A file of the released size."""
    [model] = [one for one in read_manifest(builtin_manifest()) if one.name == MODEL]
    assert isinstance(model.settings, Spec)
    path.write_bytes(assemble(checkpoint(model.settings, {"G": 1, "D": 2, "G_ema": 3})))


def read(path: Path) -> None:
    """Print what reading takes."""
    small = Path("tests/families/eg3d/cases/ffhq64.pkl")
    load(small)  # what is imported and compiled at first
    before, start = peak(), time.perf_counter()
    _, networks = load(path)
    seconds = time.perf_counter() - start
    kept = sum(4 * tensor.numel() for of in networks.values() for tensor in of.values())
    took = peak() - before
    print(f"file {path.stat().st_size / 1e6:.0f} MB, kept {kept / 1e6:.0f} MB, {seconds:.1f} s")
    print(f"peak {took / 1e6:.0f} MB, {took / kept:.2f} of what is kept")


def main() -> None:
    """Write a file where none is given, and read it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eg3d_reading", description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--step", choices=("write", "read"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step is not None:
        (write if given.step == "write" else read)(given.file)
        return
    again = [sys.executable, "-m", "benchmarks.eg3d_reading"]
    with tempfile.TemporaryDirectory() as folder:
        file = given.file or Path(folder) / "full.pkl"
        if given.file is None:
            subprocess.run([*again, str(file), "--step", "write"], check=True)
        subprocess.run([*again, str(file), "--step", "read"], check=True)


if __name__ == "__main__":
    main()
