"""One job of the Ray engine: its pictures are handed out, taken in, and made again when lost."""

from __future__ import annotations

import uuid
from abc import abstractmethod
from bisect import insort
from collections import Counter
from pathlib import Path
from typing import Any, Generic, TypeVar

from graf_cli.engine.contract import Item, Progress, Put, Work
from graf_cli.engine.pool import Desk, Pool
from graf_cli.engine.worker import Job, Made, owned
from graf_cli.errors import EngineError
from graf_cli.output.store.atomic import NEW
from graf_cli.rendering.fast.proof import Outcome, merged

AHEAD = 4  # pictures a worker may be ahead of whoever takes them
QUEUED = 2  # pictures a worker has at once: one in hand, one that waits for it
TRIES = 4  # how often a picture may take its worker along

T = TypeVar("T")


class Dispatch(Progress[T], Generic[T]):
    """Results in order, from workers that make them in any.

    Pictures are handed out so that those of one shape go to one worker where that holds nobody
    up, and no farther ahead of whoever takes them than `AHEAD` a worker.

    Attributes
    ----------
    again : int
        Pictures that were made again since their worker was lost.
    """

    def __init__(self, pool: Pool, work: Work, put: Put | None) -> None:
        self.again = 0
        self._pool, self._pictures = pool, work.pictures
        self._per_shape = work.shots.together
        self._outcome = Outcome()
        self._at = self._beyond = 0  # what is taken next, and what was not thought of yet
        self._waiting: list[int] = []
        self._done: dict[int, Made | Exception] = {}
        self._tries: Counter[int] = Counter()
        self._closed = False
        self._token = _token(put)
        try:
            pool.begin(self._job(work, put))
        except BaseException:
            self._forget()
            raise

    def _job(self, work: Work, put: Put | None) -> Job:
        shots, there = work.shots, put if self._token is not None else None
        return Job(
            shots.recipe, shots.spec, work.options, work.normals, work.surface, there, self._token
        )

    @property
    def outcome(self) -> Outcome:
        """How what was taken so far was done, wherever."""
        return self._outcome

    @abstractmethod
    def _result(self, k: int, made: Made) -> T:
        """What is handed out of a picture."""

    def __next__(self) -> T:
        if self._at == len(self._pictures):
            self.close()
            raise StopIteration
        if self._closed:
            raise EngineError("The job has ended, since it was closed or another one was begun.")
        while self._at not in self._done:
            self._hand_out()
            for desk, reference in self._pool.wait():
                self._take(desk, reference)
        made = self._done.pop(self._at)
        if isinstance(made, Exception):
            raise made
        self._at += 1
        self._hand_out()
        self._outcome = merged(self._outcome, made.outcome)
        return self._result(self._pictures[self._at - 1], made)

    def _hand_out(self) -> None:
        """Keep the workers busy, each with one picture before any gets another."""
        ready = self._pool.ready
        reach = min(self._at + AHEAD * len(ready), len(self._pictures))
        self._waiting.extend(range(self._beyond, reach))
        self._beyond = max(self._beyond, reach)
        for held in range(QUEUED):
            for desk in ready:
                if self._waiting and len(desk.flight) == held:
                    self._give(desk)

    def _give(self, desk: Desk) -> None:
        others = {one.shape for one in self._pool.ready if one is not desk}

        def rank(at: int) -> tuple[int, int]:
            shape = self._pictures[at] // self._per_shape
            return 0 if shape == desk.shape else 1 + (shape in others), at

        at = min(self._waiting, key=rank)
        self._waiting.remove(at)
        k = self._pictures[at]
        desk.shape = k // self._per_shape
        desk.flight[desk.actor.make.remote(k)] = at

    def _take(self, desk: Desk, reference: Any) -> None:
        """Take what has come back, or do something about its having been lost."""
        errors = self._pool.ray.exceptions
        if reference != desk.opened and reference not in desk.flight:
            return
        try:
            made = self._pool.ray.get(reference)
        except errors.RayTaskError as error:
            self._failed(desk, reference, _cause(error))
        except errors.RayError as error:
            if reference == desk.opened or isinstance(error, errors.RayActorError):
                self._lost_worker(desk, reason_of(error))
            else:  # the picture was made, and went with the node that held it
                self._lost(desk.flight.pop(reference), reason_of(error))
        else:
            self._came(desk, reference, made)

    def _came(self, desk: Desk, reference: Any, made: Made | None) -> None:
        if reference == desk.opened:
            self._pool.opened(desk)
            return
        at = desk.flight.pop(reference)
        assert made is not None
        self._done[at] = made

    def _failed(self, desk: Desk, reference: Any, error: Exception) -> None:
        """What a picture raises is raised when it is its turn."""
        if reference == desk.opened:
            desk.knows = False
            raise error
        self._done[desk.flight.pop(reference)] = error

    def _lost_worker(self, desk: Desk, reason: str) -> None:
        lost = self._pool.replace(desk, reason)
        for at in lost[1:]:
            insort(self._waiting, at)
        if lost:
            self._lost(lost[0], reason)

    def _lost(self, at: int, reason: str) -> None:
        self._tries[at] += 1
        if self._tries[at] == TRIES:
            raise EngineError(
                f"Picture {self._pictures[at]} was lost {TRIES} times with the worker that made it "
                f"({reason}); see whether the workers have memory enough for it."
            )
        self.again += 1
        insort(self._waiting, at)

    def close(self) -> None:
        """Have the pictures in hand finished, and no other begun."""
        if self._closed:
            return
        self._closed = True
        try:
            self._pool.drain()
        finally:
            self._forget()

    def _forget(self) -> None:
        if self._token is not None:
            self._token.unlink(missing_ok=True)


class Drawing(Dispatch[Item]):
    """Frames that workers draw and hand back."""

    def _result(self, k: int, made: Made) -> Item:  # noqa: ARG002 - the frame knows
        assert made.item is not None
        return owned(made.item)


class Delivery(Dispatch[int]):
    """Frames that are put where they belong, by the workers that see the place."""

    def __init__(self, pool: Pool, work: Work, put: Put) -> None:
        super().__init__(pool, work, put)
        self._put = put

    def _result(self, k: int, made: Made) -> int:
        if made.item is not None:
            self._put(k, owned(made.item))
        return k


def _token(put: Put | None) -> Path | None:
    folder = getattr(put, "folder", None)
    if folder is None:
        return None
    # Named so that the next job sweeps it away when this one is killed.
    token = Path(folder).absolute() / f".graf-{uuid.uuid4().hex}{NEW}"
    try:
        token.touch()
    except OSError:
        return None  # `put` will say what is wrong with the folder
    return token


def _cause(error: Any) -> Exception:
    """What was raised in a worker."""
    cause = error.cause
    if isinstance(cause, Exception) and not type(cause).__module__.startswith("ray."):
        cause.__cause__ = error
        return cause
    return EngineError(f"A worker cannot do its job: {reason_of(cause or error)}.")


def reason_of(error: Exception) -> str:
    """The first line that says something."""
    lines = (line.strip() for line in str(error).splitlines())
    first = next((line for line in lines if line), type(error).__name__)
    return first.partition(". ")[0].rstrip(".:")
