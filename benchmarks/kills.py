"""Jobs of every kind killed at random moments, resumed, and held against a job that never was.

    python -m benchmarks.kills [KILLS] [--seed N]

Each job runs in a process of its own that starts at once, on a small model, with --resume. It is
sent SIGKILL at a moment drawn evenly from the time that the whole takes, and then run again to
its end; every byte of what it leaves, hidden files too, is compared. Of the pictures that were
finished before the kill it counts how many were made again.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cli.process import Server, serving
from tests.disks import Tree, tree

REFERENCE = Path(__file__).parents[1] / "tests" / "reference"
MODEL = ("--checkpoint", str(REFERENCE / "cars.pt"), "--config", str(REFERENCE / "cars.json"))
SMALL = (*MODEL, "--size", "16", "--samples", "16")
SWEEP = ("render", *SMALL, "--azimuth", "0:360", "--frames", "24")
GRID = ("grid", *SMALL, "--shapes", "4", "--appearances", "5")
DATASET = ("dataset", *SMALL, "--n", "4", "--views", "5", "--split", "train=0.75,val=0.25")
JOBS: dict[str, tuple[str, ...]] = {
    "sequence": (*SWEEP, "--out", "seq/"),
    "sample": ("sample", *SMALL, "--n", "20", "--out", "samples/"),
    "grid": (*GRID, "--out", "cells/"),
    "sheet": (*GRID, "--out", "sheet.png"),
    "mp4": (*SWEEP, "--out", "spin.mp4"),
    "webm": (*SWEEP, "--out", "spin.webm"),
    "gif": (*SWEEP, "--out", "spin.gif"),
    "npz": (*SWEEP, "--out", "spin.npz"),
    "tar": (*SWEEP, "--out", "spin.tar"),
    "dataset": (*DATASET, "--out", "data/"),
    "webdataset": (*DATASET, "--format", "webdataset", "--out", "data/"),
    "batch": ("batch", "jobs.jsonl", *MODEL),
}
BATCH = [
    {"azimuth": [0, 360], "frames": 8, "out": "spin.mp4"},
    {"command": "sample", "n": 8, "out": "samples/"},
    *({"seed": seed, "out": f"{seed}.png"} for seed in range(4)),
]

ABOUT_A_VIEW = {"depth", "opacity"}  # of a data set; the image comes last


@dataclass(frozen=True)
class Tally:
    """What became of the kills of one kind of job."""

    kills: int = 0
    unequal: int = 0
    finished: int = 0  # pictures that were there when the job was killed
    again: int = 0  # of these, how many the resumed job wrote again

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.kills + other.kills,
            self.unequal + other.unequal,
            self.finished + other.finished,
            self.again + other.again,
        )


def pictures(folder: Path) -> dict[str, int]:
    """The finished pictures, each with the number of its file on the disk."""
    return {
        str(path.relative_to(folder)): path.stat().st_ino
        for path in folder.rglob("*.png")
        if path.name.strip("0123456789") == ".png" and path.parent.name not in ABOUT_A_VIEW
    }


def new_place(folder: Path) -> Path:
    """An empty folder, but for a batch."""
    folder.mkdir()
    small = {"size": 16, "samples": 16}
    lines = [json.dumps({**small, **job}) for job in BATCH]
    (folder / "jobs.jsonl").write_text("\n".join(lines))
    return folder


def finish(graf: Server, folder: Path, words: tuple[str, ...]) -> float:
    """Run a job to its end; seconds."""
    begin = time.perf_counter()
    code, said = graf.start(*words, cwd=folder).wait()
    if code:
        raise SystemExit(f"{' '.join(words)} ended with {code}: {said}")
    return time.perf_counter() - begin


def kill_once(
    graf: Server, place: Path, words: tuple[str, ...], whole: Tree, after: float
) -> Tally:
    """Start, kill, resume, compare; no kill when the job was quicker."""
    running = graf.start(*words, cwd=new_place(place))
    time.sleep(after)
    ended = running.ended
    running.send(signal.SIGKILL)
    running.wait()
    if ended:
        return Tally()
    before = pictures(place)
    finish(graf, place, words)
    now = pictures(place)
    again = sum(now.get(name, node) != node for name, node in before.items())
    return Tally(1, tree(place) != whole, len(before), again)


def main() -> None:
    """Print a line a kind, and the sum."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kills", type=int, nargs="?", default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    source = random.Random(asked.seed)
    each = -(-asked.kills // len(JOBS))
    tallies = []
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as graf:
        for kind, job in JOBS.items():
            words, root, tally = (*job, "--resume"), Path(name) / kind, Tally()
            root.mkdir()
            taken = finish(graf, new_place(root / "whole"), words)
            whole = tree(root / "whole")
            tries = 0
            while tally.kills < each:
                tries += 1
                after = source.uniform(0, taken)
                tally = tally.plus(kill_once(graf, root / str(tries), words, whole, after))
            tallies.append(tally)
            print(
                f"{kind:<12}{tally.kills:4} kills{tally.unequal:4} unequal"
                f"{tally.finished:6} pictures finished before them{tally.again:4} made again",
                flush=True,
            )
    print(
        f"{'all':<12}{sum(t.kills for t in tallies):4} kills"
        f"{sum(t.unequal for t in tallies):4} unequal"
    )


if __name__ == "__main__":
    main()
