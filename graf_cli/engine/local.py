"""Shots become Frames on this machine."""

from __future__ import annotations

from graf_cli.engine.contract import Engine, Item, Progress, Put, Work
from graf_cli.engine.making import Maker
from graf_cli.rendering.fast.objects import Objects
from graf_cli.rendering.fast.proof import Outcome


class Drawing(Progress[Item]):
    """Frames or shapes, each made when it is asked for.

    Parameters
    ----------
    work : Work
    objects : Objects, optional
        What earlier jobs of the same generator have folded and looked into.
    """

    def __init__(self, work: Work, objects: Objects | None = None) -> None:
        self.work = work
        self._pictures = iter(work.pictures)
        self._maker = Maker(
            work.generator, work.shots, work.options,
            normals=work.normals, surface=work.surface, masks=work.masks, objects=objects,
            report=work.report,
        )  # fmt: skip

    @property
    def outcome(self) -> Outcome:
        """How it was done so far, and the largest difference from the plain marcher measured."""
        return self._maker.outcome

    def __next__(self) -> Item:
        return self._maker.make(next(self._pictures))


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
