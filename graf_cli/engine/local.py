"""Shots become Frames on this machine."""

from __future__ import annotations

from graf_cli.engine.contract import Engine, Progress, Put, Work
from graf_cli.rendering.fast.objects import Objects
from graf_cli.rendering.fast.proof import Outcome
from graf_cli.rendering.normals import with_normals
from graf_cli.rendering.renderer import Frame, Renderer


class Drawing(Progress[Frame]):
    """Frames, each rendered when it is asked for.

    Parameters
    ----------
    work : Work
    objects : Objects, optional
        What earlier jobs of the same generator have folded and looked into.
    """

    def __init__(self, work: Work, objects: Objects | None = None) -> None:
        self.work = work
        self._pictures = iter(work.pictures)
        self._renderer = Renderer(work.generator, work.options, objects)

    @property
    def outcome(self) -> Outcome:
        """How it was done so far, and the largest difference from the plain marcher measured."""
        return self._renderer.outcome

    def __next__(self) -> Frame:
        k = next(self._pictures)
        shots = self.work.shots
        frame = self._renderer.render(shots[k], shots.series(k), surface=self.work.surface)
        if not self.work.normals:
            return frame
        return with_normals(self.work.generator, frame, self._renderer.scene(shots[k]))


class Delivery(Progress[int]):
    """Frames that are put where they belong."""

    def __init__(self, drawing: Drawing, put: Put) -> None:
        self._drawing, self._put = drawing, put
        self._pictures = iter(drawing.work.pictures)

    @property
    def outcome(self) -> Outcome:
        """That of the drawing."""
        return self._drawing.outcome

    def __next__(self) -> int:
        k = next(self._pictures)
        self._put(k, next(self._drawing))
        return k


class LocalEngine(Engine):
    """Keeps the grids of the objects drawn last, for jobs that share them."""

    def __init__(self) -> None:
        self._objects: Objects | None = None

    def draw(self, work: Work) -> Drawing:
        """See `Engine`."""
        if self._objects is None or self._objects.generator is not work.generator:
            self._objects = Objects(work.generator)
        return Drawing(work, self._objects)

    def deliver(self, work: Work, put: Put) -> Delivery:
        """See `Engine`."""
        return Delivery(self.draw(work), put)
