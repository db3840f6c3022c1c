"""What every sink does: take frames, publish, or leave nothing half-written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Put = Callable[[int, Any], None]


class Sink(ABC):
    """Takes the frames of a job, or the shapes of one that exports.

    A context manager: when its block ends well it publishes its files and `paths` names them,
    else nothing is left under a final name that is not whole.

    Attributes
    ----------
    paths : list of Path
        What came out, once the block has ended.
    pictures : sequence of int
        Those of the recipe that this process is to see to.
    keeps : bool
        Whether what was put stays when the job ends early, so that it can be resumed.
    waiting : int
        Pictures that are still missing, from other processes, before `paths` can be there.
    """

    keeps = False
    waiting = 0

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.pictures: Sequence[int] = ()
        self._next = 0

    @abstractmethod
    def put(self, k: int, frame: Any) -> None:
        """Take picture `k`; a sink that does not keep takes them in their order.

        Raises
        ------
        OutputError
        """

    def write(self, frame: Any) -> None:
        """Take the next picture. Raises as `put`."""
        self.put(self._next, frame)
        self._next += 1

    def missing(self, pictures: Sequence[int]) -> list[int]:
        """Those of the pictures that have to be made."""
        self.pictures = pictures
        return list(pictures)

    @property
    def putter(self) -> Put | None:
        """What puts a picture from another process, where that is possible."""
        return None

    def put_elsewhere(self, k: int) -> None:  # noqa: ARG002 - for those that count
        """Picture `k` has been put by the `putter`."""
        return

    def commit(self) -> None:
        """Publish what was written."""
        return

    def interrupt(self) -> None:
        """Make a `put` that runs on another thread come to its end soon."""
        return

    def abort(self) -> None:
        """Leave nothing half-written."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self.abort()
