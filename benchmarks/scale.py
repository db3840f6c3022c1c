"""Many small pictures: memory, what a picture costs beside its rendering, resuming, tar or folder.

    python -m benchmarks.scale ROW [ROW …] [--n N]

The rows: memory, overhead, resume, tar, batch, beside. Each job is a process of its own, on a model
of a few thousand weights, so that what is measured is everything but the network. One thread. The
last row alone draws the model in the box, with as many threads as there are cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from graf_cli.api import load, reference
from graf_cli.cli.main import SPINS
from graf_cli.engine.contract import Work
from graf_cli.engine.local import LocalEngine
from graf_cli.request import sample
from graf_cli.shots import Shots

REFERENCE = Path(__file__).parents[1] / "tests" / "reference"
CHECKPOINT, CONFIG = REFERENCE / "cars.pt", REFERENCE / "cars.json"
MODEL = ("--checkpoint", str(CHECKPOINT), "--config", str(CONFIG))
SIZE, SAMPLES = 16, 16
SMALL = (*MODEL, "--size", str(SIZE), "--samples", str(SAMPLES))
FEW = 10  # part of a job that another one is compared to, so that starting costs nothing


@dataclass(frozen=True)
class Ran:
    """A process that ended well: wall-clock and processor seconds, peak memory in bytes."""

    seconds: float
    busy: float
    peak: int


def graf(folder: Path, *words: str) -> Ran:
    """Run `graf`; what it took."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GRAF_OFFLINE": "1"}
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "graf_cli", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"graf {' '.join(words)} ended with {process.returncode}")
    return Ran(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10)


def memory(folder: Path, n: int) -> None:
    """Peak memory of a job and of one a tenth as long."""
    few = graf(folder, "sample", *SMALL, "--n", str(n // FEW), "--out", "few/")
    many = graf(folder, "sample", *SMALL, "--n", str(n), "--out", "many/")
    print(
        f"memory      {n // FEW:,} pictures {few.peak / 2**20:.0f} MiB, {n:,} pictures "
        f"{many.peak / 2**20:.0f} MiB, {n / many.seconds:.0f} pictures a second"
    )


def overhead(folder: Path, n: int) -> None:
    """A picture of a job over one that is only rendered; differences of two lengths of job."""
    few = n // FEW
    lone = graf(folder, "sample", *SMALL, "--n", str(few), "--out", "few/")
    many = graf(folder, "sample", *SMALL, "--n", str(n), "--out", "many/")
    job = (many.busy - lone.busy) / (n - few)
    wall = (many.seconds - lone.seconds) / (n - few)
    rendered = _rendered(few)
    print(
        f"overhead    a picture takes {1e3 * job:.2f} ms of processor ({1e3 * wall:.2f} ms of "
        f"wall clock), to render it {1e3 * rendered:.2f} ms: {1e3 * (job - rendered):.2f} ms over"
    )


def _rendered(n: int) -> float:
    """Processor seconds of a picture that goes nowhere."""
    generator = load(checkpoint=CHECKPOINT, config=CONFIG, device="cpu")
    options = {"size": SIZE, "samples": SAMPLES}
    recipe = sample(reference(generator), generator.spec, n, **options)
    drawing = LocalEngine().draw(Work(generator, Shots(recipe, generator.spec), range(n)))
    next(drawing)
    begin = time.process_time()
    for _ in drawing:
        pass
    return (time.process_time() - begin) / (n - 1)


def resume(folder: Path, n: int) -> None:
    """A folder in which everything is finished, and one in which one picture is missing."""
    job = ("sample", *SMALL, "--n", str(n), "--out", "many/", "--resume")
    nothing = graf(folder, "sample", *SMALL, "--n", "1", "--out", "one/")
    _pretend(folder, n, job)
    whole = graf(folder, *job)
    (folder / "many" / f"{n // 2:04d}.png").unlink()
    missing = graf(folder, *job)
    print(
        f"resume      {n:,} finished files: {whole.seconds:.2f} s, one of them missing: "
        f"{missing.seconds:.2f} s; a job of one picture takes {nothing.seconds:.2f} s"
    )


def _pretend(folder: Path, n: int, job: tuple[str, ...]) -> None:
    """A folder as the job leaves it, its pictures all the same one."""
    graf(folder, *job, "--shard", f"{n}/{n}")
    picture = (folder / "many" / f"{n - 1:04d}.png").read_bytes()
    for k in range(n - 1):
        (folder / "many" / f"{k:04d}.png").write_bytes(picture)


def tar(folder: Path, n: int) -> None:
    """The same pictures in a folder, in one tar, and as a data set in both forms."""
    views = ("--n", str(n // FEW), "--views", str(FEW))
    jobs = {
        "folder": ("sample", "--n", str(n), "--out", "a/"),
        "tar": ("sample", "--n", str(n), "--out", "b.tar"),
        "dataset folder": ("dataset", *views, "--out", "c/"),
        "dataset tars": ("dataset", *views, "--format", "webdataset", "--out", "d/"),
    }
    for name, (command, *words) in jobs.items():
        ran = graf(folder, command, *SMALL, *words)
        size, files = _weigh(folder / words[-1])
        print(
            f"tar         {name:<15}{n / ran.seconds:6.0f} pictures a second, {size / n:7.0f} "
            f"bytes a picture on the disk, {files:,} files"
        )


def _weigh(path: Path) -> tuple[int, int]:
    """Bytes that the disk gives, and number of files."""
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    return sum(one.stat().st_blocks * 512 for one in files), len(files)


def batch(folder: Path, n: int) -> None:
    """A line of a batch over a command of its own."""
    lines = [json.dumps({"seed": k, "size": SIZE, "samples": SAMPLES, "out": f"{k}.png"})
             for k in range(n)]  # fmt: skip
    (folder / "jobs.jsonl").write_text("\n".join(lines))
    (folder / "few.jsonl").write_text("\n".join(lines[: n // FEW]))
    few = graf(folder, "batch", "few.jsonl", *MODEL)
    many = graf(folder, "batch", "jobs.jsonl", *MODEL)
    alone = graf(folder, "render", *SMALL, "--out", "one.png")
    line = (many.seconds - few.seconds) / (n - n // FEW)
    print(f"batch       a line {1e3 * line:.1f} ms, a command of its own {alone.seconds:.2f} s")


def beside(folder: Path, n: int) -> None:
    """Two turntables at once over one alone, by PyTorch's own spinning and by what graf sets."""
    words = ("render", "--azimuth", "0:90", "--frames", str(n), "--out")
    command = [sys.executable, "-m", "graf_cli", *words]
    for name, spins in (("PyTorch's", "300000"), ("graf's", SPINS)):
        environment = {**os.environ, "GOMP_SPINCOUNT": spins, "GRAF_OFFLINE": "1"}
        took = []
        for jobs in (1, 2):
            begin = time.perf_counter()
            running = [
                subprocess.Popen([*command, f"{k}.mp4"], cwd=folder, env=environment)
                for k in range(jobs)
            ]
            if sum(one.wait() for one in running):
                raise SystemExit("a turntable failed")
            took.append(time.perf_counter() - begin)
        print(f"beside      {name} spinning: one {took[0]:.1f} s, two at once {took[1]:.1f} s")


ROWS: dict[str, Callable[[Path, int], None]] = {
    "memory": memory,
    "overhead": overhead,
    "resume": resume,
    "tar": tar,
    "batch": batch,
    "beside": beside,
}
USUAL = {
    "memory": 10_000,
    "overhead": 2_000,
    "resume": 100_000,
    "tar": 2_000,
    "batch": 1_000,
    "beside": 24,
}


def main() -> None:
    """Measure the rows asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="+", choices=list(ROWS))
    parser.add_argument("--n", type=int)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for row in asked.rows:
        with tempfile.TemporaryDirectory() as name:
            ROWS[row](Path(name), asked.n or USUAL[row])


if __name__ == "__main__":
    main()
