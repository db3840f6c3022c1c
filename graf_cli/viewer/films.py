"""A film is rendered as any other job, a picture at a time, when it is the renderer's turn."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

from graf_cli.engine.contract import Engine, Item, Progress, Put, Work
from graf_cli.engine.making import Maker
from graf_cli.errors import UsageError
from graf_cli.jobs import Events, Job, OutputOptions, Result, job_of, target_for
from graf_cli.recipe import Recipe
from graf_cli.rendering.fast.proof import Outcome
from graf_cli.rendering.renderer import RenderOptions
from graf_cli.viewer.models import Held
from graf_cli.viewer.turns import Turns

LAST = 9  # of one page's wishes: a film is rendered while there is nothing else to see
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}/?")

T = TypeVar("T")


class StoppedError(Exception):
    """A film was told to stop."""


def checked_name(name: str) -> str:
    """The name of a file, or ``NAME/`` of a folder, in the folder that the server runs in.

    Raises
    ------
    UsageError
        When it is a path, or hidden.
    """
    if not NAME.fullmatch(name) or ".." in name:
        raise UsageError(
            "The name of a file is letters, digits, spaces and . _ - without folders, such as "
            "`spin.mp4`, or `frames/` for numbered pictures."
        )
    return name


class _Waited(Progress[Item]):
    """Frames, each made when it is this film's turn; one that was broken into is made again."""

    def __init__(self, work: Work, film: Shooting) -> None:
        self._film, self._pictures = film, iter(work.pictures)
        self._maker = Maker(
            work.generator, work.shots, work.options,
            normals=work.normals, surface=work.surface, masks=work.masks,
        )  # fmt: skip

    @property
    def outcome(self) -> Outcome:
        """How it was done so far, and the largest difference from the plain marcher measured."""
        return self._maker.outcome

    def __next__(self) -> Item:
        k = next(self._pictures)
        return self._film.in_turn(lambda: self._maker.make(k))


class _Put(Progress[int]):
    """Frames that are put where they belong."""

    def __init__(self, work: Work, film: Shooting, put: Put) -> None:
        self._drawn, self._pictures, self._put = _Waited(work, film), iter(work.pictures), put

    @property
    def outcome(self) -> Outcome:
        """That of the drawing."""
        return self._drawn.outcome

    def __next__(self) -> int:
        k = next(self._pictures)
        self._put(k, next(self._drawn))
        return k


class _InTurn(Engine):
    """Draws on the renderer's thread."""

    def __init__(self, film: Shooting) -> None:
        self._film = film

    def draw(self, work: Work) -> Progress[Item]:
        """See `Engine`."""
        return _Waited(work, self._film)

    def deliver(self, work: Work, put: Put) -> Progress[int]:
        """See `Engine`."""
        return _Put(work, self._film, put)


@dataclass(eq=False)
class Shooting(Events):
    """A film on its way into a file.

    Attributes
    ----------
    owner : str
        Whose time it takes.
    held : Held
    recipe : Recipe
    name : str
        Of the file or folder.
    turns : Turns
    told : callable
        Is told how many of how many pictures are finished, on the film's thread.
    resume, clobber : bool
        As for any job.
    """

    owner: str
    held: Held
    recipe: Recipe
    name: str
    turns: Turns
    told: Callable[[int, int], None]
    resume: bool = False
    clobber: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> Result:
        """Make the file; it is there when this returns.

        Raises
        ------
        GrafError
            When it cannot be made.
        StoppedError
            When it was told to stop.
        """
        output = OutputOptions(clobber=self.clobber or self.resume, resume=self.resume)
        return self.job(output).run(engine=self._engine, events=self)

    def job(self, output: OutputOptions | None = None) -> Job:
        """The job, whose target is in the folder that the server runs in."""
        target = target_for(self.recipe, self.name)
        return job_of(self.held.opened, self.recipe, target, RenderOptions(), output)

    def _engine(self) -> AbstractContextManager[Engine]:
        return nullcontext(_InTurn(self))

    def stop(self) -> None:
        """End after the rays in hand; what is kept of it, `resume` says."""
        self.stopped.set()
        self.turns.drop(self.owner)

    def in_turn(self, make: Callable[[], Item]) -> Item:
        """A frame, made on the renderer's thread.

        Raises
        ------
        StoppedError
        """
        made: list[Item] = []
        failed: list[Exception] = []
        task = self.turns.put(self.owner, "film", lambda: made.append(make()), failed.append, LAST)
        task.ended.wait()
        if self.stopped.is_set() or task.given_up:
            raise StoppedError
        if failed:
            raise failed[0]
        return made[0]

    # what happens on the way

    def warn(self, text: str) -> None:
        """Whoever looks at the page sees it."""

    def progress(self, pictures: Iterable[T], total: int) -> Iterator[T]:
        """Tell of each picture."""
        self.told(0, total)
        for done, picture in enumerate(pictures, 1):
            yield picture
            self.told(done, total)
