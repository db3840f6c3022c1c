"""The workers of the Ray engine, as its driver sees them: how many, and who replaces them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from graf_cli.engine.worker import Task, Worker, placed
from graf_cli.errors import EngineError
from graf_cli.model.generator import Generator

TRIES = 4  # how often a worker may fail to start, one after the other

CPU = torch.device("cpu")

log = logging.getLogger("graf")


@dataclass(frozen=True)
class Share:
    """The workers of a pool.

    Attributes
    ----------
    workers : int
    cpus : float
        Cores of each.
    gpus : int
        Of each: one or none.
    """

    workers: int
    cpus: float
    gpus: int

    def __str__(self) -> str:
        """As an error names it."""
        what = "1 GPU and " if self.gpus else ""
        return f"{self.workers} × ({what}{self.cpus:g} CPU)"

    def room(self, node: dict[str, float]) -> int:
        """How many workers of this kind a node holds."""
        held = int(node.get("CPU", 0.0) / self.cpus + 1e-6)
        return min(held, int(node.get("GPU", 0.0))) if self.gpus else held


def share_of(
    nodes: Sequence[dict[str, float]], workers: int | None = None, cpus: float | None = None
) -> Share:
    """The pool that a cluster is asked for; what is not said is what it holds.

    Parameters
    ----------
    nodes : sequence of dict
        What each node has, all in all.
    workers : int, optional
        As many as there is room for.
    cpus : float, optional
        Cores of each; 1, or with a number of `workers` as many as all can have.

    Raises
    ------
    EngineError
        When such a pool could never be scheduled.
    """
    gpus = int(any(node.get("GPU", 0.0) >= 1 for node in nodes))
    if (workers is not None and workers < 1) or (cpus is not None and not cpus > 0):
        raise EngineError("A pool has at least one worker, and each more than no cores.")
    wanted = Share(workers or 1, cpus or 1.0, gpus)
    if cpus is None and workers is not None and not gpus:
        wanted = replace(wanted, cpus=_largest(nodes, wanted))
    room = sum(map(wanted.room, nodes))
    if room < wanted.workers:
        raise EngineError(
            f"The workers {wanted} can never be scheduled, since the cluster, {_told(nodes)}, has "
            f"room for {room} of them; ask for fewer, or for fewer cores each."
        )
    return replace(wanted, workers=workers or room)


def _largest(nodes: Sequence[dict[str, float]], wanted: Share) -> float:
    """Whole cores that each of so many workers can have, at least 1."""
    most = max((int(node.get("CPU", 0.0)) for node in nodes), default=1)
    shares = (replace(wanted, cpus=float(cpus)) for cpus in range(most, 1, -1))
    enough = (share for share in shares if sum(map(share.room, nodes)) >= wanted.workers)
    return next(enough, wanted).cpus


def _told(nodes: Sequence[dict[str, float]]) -> str:
    cpus = " + ".join(f"{node.get('CPU', 0.0):g}" for node in nodes)
    gpus = sum(node.get("GPU", 0.0) for node in nodes)
    return f"which has {cpus or 'no'} CPU" + (f" and {gpus:g} GPU" if gpus else "")


@dataclass(eq=False)
class Desk:
    """A worker's place, whoever sits there.

    Attributes
    ----------
    actor : Ray actor or None
    opened : Ray reference or None
        Of its taking up the job, while that is not known to have succeeded.
    flight : dict of Ray reference to int
        What it has to do, in that order: positions in the job.
    shape : int
        Which shape it drew last.
    knows : bool
        Whether it has been given the model.
    failures : int
        To start, one after the other.
    """

    actor: Any = None
    opened: Any = None
    flight: dict[Any, int] = field(default_factory=dict)
    shape: int = -1
    knows: bool = False
    failures: int = 0

    @property
    def ready(self) -> bool:
        """Whether it draws."""
        return self.actor is not None and self.opened is None


class Pool:
    """Workers that know one generator.

    Parameters
    ----------
    ray : module
    share : Share
    generator : Generator
    patience : float
        Seconds.
    """

    def __init__(self, ray: Any, share: Share, generator: Generator, patience: float) -> None:
        self.ray, self.share, self.generator, self.patience = ray, share, generator, patience
        self.desks = [Desk() for _ in range(share.workers)]
        # A thread of its own lets `stop` be heard while a picture is in hand.
        self._kind = ray.remote(max_restarts=0, concurrency_groups={"asides": 1})(Worker)
        self._model = ray.put(placed(generator, CPU))
        self._job: Any = None
        self._name = ""
        self._since = time.monotonic()  # when there was a worker last, or hope for one

    @property
    def ready(self) -> list[Desk]:
        """Those that draw."""
        return [desk for desk in self.desks if desk.ready]

    def begin(self, job: Task) -> None:
        """Have all take up a job."""
        self._job, self._name = self.ray.put(job), job.name
        self._since = time.monotonic()
        for desk in self.desks:
            self._open(desk)

    def _open(self, desk: Desk) -> None:
        if desk.actor is None:
            desk.actor = self._actor()
            desk.knows = False
        model = None if desk.knows else self._model
        desk.opened = desk.actor.begin.remote(model, self._job)
        desk.knows = True

    def _actor(self) -> Any:
        share = self.share
        kind = self._kind.options(num_cpus=share.cpus, num_gpus=share.gpus)
        return kind.remote(max(1, int(share.cpus)), "cuda:0" if share.gpus else "cpu")

    def opened(self, desk: Desk) -> None:
        """A worker has taken up the job."""
        desk.opened, desk.failures = None, 0
        self._since = time.monotonic()

    def replace(self, desk: Desk, reason: str) -> list[int]:
        """Put another worker at a desk; what the one before had to do, in order."""
        self._since = time.monotonic()
        lost, started = list(desk.flight.values()), desk.opened is None
        self._dismiss(desk)
        desk.failures = 0 if started else desk.failures + 1
        if desk.failures < TRIES:
            log.warning("A worker was lost and is replaced: %s", reason)
            self._open(desk)
            return lost
        self.desks.remove(desk)
        if not self.desks:
            raise EngineError(
                f"Workers fail to start again and again ({reason}); see whether this version of "
                "graf is installed on every machine of the cluster."
            )
        log.warning("A worker fails to start and is done without: %s", reason)
        return lost

    def _dismiss(self, desk: Desk) -> None:
        if desk.actor is not None:
            with suppress(self.ray.exceptions.RayError):
                self.ray.kill(desk.actor)
        desk.actor, desk.opened = None, None
        desk.flight.clear()

    def wait(self) -> list[tuple[Desk, Any]]:
        """What has come back, with whose it is; waits until something has.

        Raises
        ------
        EngineError
            When there is no worker, and there has been none for long.
        """
        whose = {desk.opened: desk for desk in self.desks if desk.opened is not None}
        whose |= {reference: desk for desk in self.desks for reference in desk.flight}
        left = self._since + self.patience - time.monotonic()
        within = None if self.ready else max(left, 0.0)
        back, _ = self.ray.wait(list(whose), timeout=within)
        if not back and not self.ready:
            raise EngineError(
                f"No worker was ready within {self.patience:g} s: {self.share} were asked for, "
                f"and the cluster has {self._free()}; free some, or ask for fewer."
            )
        return [(whose[reference], reference) for reference in back]

    def _free(self) -> str:
        total, free = self.ray.cluster_resources(), self.ray.available_resources()
        kinds = ("CPU", "GPU") if self.share.gpus else ("CPU",)
        return " and ".join(f"{free.get(k, 0):g} of {total.get(k, 0):g} {k} free" for k in kinds)

    def drain(self) -> None:
        """Have the pictures in hand finished, and no other begun."""
        busy = [desk for desk in self.desks if desk.flight]
        for desk in busy:
            desk.actor.stop.options(concurrency_group="asides").remote(self._name)
        pending = [reference for desk in busy for reference in desk.flight]
        if pending:
            self.ray.wait(
                pending, num_returns=len(pending), timeout=self.patience, fetch_local=False
            )
        for desk in busy:
            desk.flight.clear()

    def close(self) -> None:
        """Let the workers go."""
        for desk in self.desks:
            self._dismiss(desk)
