"""What every engine does: one call, one contract, so that another engine is one file.

The pictures of an engine are the same to the last bit as those of any other on the same kind of
machine, in whatever order and by whomever they are made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from graf_cli.model.generator import Generator
from graf_cli.rendering.fast.proof import Outcome
from graf_cli.rendering.renderer import RenderOptions
from graf_cli.shots import Shots
from graf_cli.surfaces.source import Report, untold

Item = Any  # what is made of a picture: a Frame, or a Shape where the recipe exports
Put = Callable[[int, Item], None]
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, eq=False)
class Work:
    """What is to be drawn.

    Attributes
    ----------
    generator : Generator
    shots : Shots
        All of the recipe's.
    pictures : sequence of int
        Which of them, in the order in which they are wanted.
    options : RenderOptions
    normals : bool
        Whether each frame has its normals.
    surface : bool
        Whether depth and opacity are wanted, where they take a march of their own.
    masks : bool
        Whether the objects' masks are wanted, where a model has some.
    report : callable
        Is told how far a shape in hand is, where it is made in this process.
    """

    generator: Generator
    shots: Shots
    pictures: Sequence[int]
    options: RenderOptions = field(default_factory=RenderOptions)
    normals: bool = False
    surface: bool = True
    masks: bool = False
    report: Report = untold


class Progress(Iterator[T_co], Generic[T_co], ABC):
    """Results in the order of the pictures, each made no sooner than it is needed.

    It is a context manager, and closing it ends what was under way.
    """

    @property
    @abstractmethod
    def outcome(self) -> Outcome:
        """How it was done so far, and the largest difference from the plain marcher measured."""

    def close(self) -> None:
        """End what is under way, and let go of whatever was held for it."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Engine(ABC):
    """Draws pictures; one may serve many jobs, and keeps between them what they share.

    Attributes
    ----------
    elsewhere : bool
        Whether frames are made in other processes, so that to `deliver` them there saves a way.
    """

    elsewhere = False

    def opened(self) -> Self:
        """The same, with its workers to be had; to make an engine begins nothing.

        Raises
        ------
        EngineError
            When it cannot be used.
        """
        return self

    @abstractmethod
    def draw(self, work: Work) -> Progress[Item]:
        """Hand back the frames, or the shapes of a recipe that exports.

        Raises
        ------
        DeviceError
            On the way, when a device's memory does not hold even the smallest chunk.
        EngineError
            When the engine cannot be used.
        """

    @abstractmethod
    def deliver(self, work: Work, put: Put) -> Progress[int]:
        """Have `put(k, frame)` called once for each picture `k`, wherever it is made.

        Parameters
        ----------
        work : Work
        put : callable
            Can be pickled; it writes into a folder.

        Returns
        -------
        Progress of int
            The pictures that have been put. Raises as `draw`, and what `put` raises.
        """

    def close(self) -> None:
        """Let go of everything."""
        return

    def __enter__(self) -> Self:
        return self.opened()

    def __exit__(self, *_: object) -> None:
        self.close()
