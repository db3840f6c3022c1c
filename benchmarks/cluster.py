"""A job on a Ray cluster of two nodes on this machine, one of which is killed in the middle.

    python -m benchmarks.cluster

On a model of a few hundred weights, so that what is measured is everything but the network.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray.cluster_utils import Cluster

from graf_cli.engine.cluster import RayEngine
from graf_cli.engine.contract import Engine, Progress, Work
from graf_cli.engine.dispatch import Dispatch
from graf_cli.engine.local import LocalEngine
from graf_cli.rendering.renderer import Frame
from tests.engine.conftest import work
from tests.engine.files import Shared, same

NODE: dict[str, Any] = {"num_cpus": 2, "include_dashboard": False}
JOBS = 10  # of which the quickest counts
SMALL, LARGE = 8, 160  # pixels; a frame of 1 kB that travels along, and of 512 kB that does not


def main() -> None:
    """Print what is found."""
    torch.set_num_threads(1)
    nodes: Any = Cluster(initialize_head=True, head_node_args=NODE)
    nodes.add_node(**NODE)
    try:
        with RayEngine(nodes.address, workers=2, cpus=2) as engine, LocalEngine() as alone:
            for size in (SMALL, LARGE):
                overhead(engine, alone, work(size=size), size)
            with tempfile.TemporaryDirectory() as folder:
                killed(engine, list(alone.draw(work(size=LARGE))), nodes, Path(folder))
    finally:
        nodes.shutdown()


def overhead(engine: Engine, alone: Engine, whole: Work, size: int) -> None:
    """What handing pictures out and taking them in costs the driver."""
    wait_for_both(engine)
    with tempfile.TemporaryDirectory() as folder:
        put = Shared(Path(folder))
        drawn = quickest(lambda: engine.draw(whole))
        put_there = quickest(lambda: engine.deliver(whole, put))
    here = quickest(lambda: alone.draw(whole))
    print(
        f"{size} px: {drawn:.2f} ms of the driver's processor a frame handed back, "
        f"{put_there:.2f} ms a picture put by its worker; drawing it takes {here:.2f} ms"
    )


@dataclass(frozen=True)
class Slow(Shared):
    """Takes so many seconds to put a picture."""

    takes: float = 0.0

    def __call__(self, k: int, frame: Frame) -> None:
        """Put it after a while."""
        time.sleep(self.takes)
        super().__call__(k, frame)


def quickest(begin: Callable[[], Progress[Any]]) -> float:
    """Milliseconds of this process a picture, but for the first."""
    times = []
    for _ in range(JOBS):
        with begin() as job:
            next(job)
            before = time.process_time()
            rest = sum(1 for _ in job)
            times.append((time.process_time() - before) / rest * 1e3)
    return min(times)


def wait_for_both(engine: Engine) -> None:
    """Until a job runs in two processes."""
    seen: set[int] = set()
    while len(seen) < 2:
        with tempfile.TemporaryDirectory() as folder:
            put = Slow(Path(folder), takes=0.02)
            with engine.deliver(work(), put) as job:
                list(job)
            seen = put.processes()


def killed(engine: Engine, whole: list[Frame], nodes: Any, folder: Path) -> None:
    """A node goes while it works, and while it holds frames that nobody has taken."""
    put = Slow(folder, takes=0.05)
    with engine.deliver(work(size=LARGE), put) as job:
        kill_in(job, nodes)
        tell("put by workers", job, f"{24 * put.holds(whole)} equal")
    nodes.add_node(**NODE)
    wait_for_both(engine)
    with engine.draw(work(size=LARGE)) as frames:
        equal = sum(map(same, whole, kill_in(frames, nodes, pause=1.0)))
        tell("handed back", frames, f"{equal} equal")


def kill_in(job: Progress[Any], nodes: Any, pause: float = 0.0) -> list[Any]:
    """Take some pictures, wait, kill a node, take the others."""
    taken = [next(job) for _ in range(3)]
    time.sleep(pause)
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
    before = time.monotonic()
    taken += job
    print(f"killed; the rest took {time.monotonic() - before:.1f} s")
    return taken


def tell(what: str, job: Progress[Any], equal: str) -> None:
    """One line."""
    assert isinstance(job, Dispatch)
    print(f"24 pictures {what}: {job.again} made again, {equal}")


if __name__ == "__main__":
    main()
