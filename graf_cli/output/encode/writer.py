"""What every writer does: take frames, finish, or give up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from io import RawIOBase
from pathlib import Path
from typing import Any

from graf_cli.output.encode.pixels import Shown, shown
from graf_cli.output.formats import size_of
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import Frame


class Writer(ABC):
    """Frames in, one file or stream out."""

    @abstractmethod
    def write(self, frame: Any) -> None:
        """Take the next frame; of a recipe that exports, the shape of the next object.

        Raises
        ------
        OutputError, OSError
        """

    @abstractmethod
    def close(self) -> None:
        """Finish what was written.

        Raises
        ------
        OutputError, OSError
        """

    def abort(self) -> None:
        """Stop at once, also while another thread writes; to call it again does nothing."""
        return


class PixelWriter(Writer):
    """A writer that needs of a frame no more than what is shown of it."""

    def __init__(self, to: Destination) -> None:
        self.to = to

    def write(self, frame: Frame) -> None:
        """Take the next frame."""
        self.show(shown(frame, self.to.recipe))

    @abstractmethod
    def show(self, image: Shown) -> None:
        """Take the next picture, as `look.shown` makes it. Raises as `write`."""


class Destination:
    """Where a writer writes, and what it needs to know of the job.

    Attributes
    ----------
    file : Path
        What to write; its folder is the writer's own, and goes at the end.
    stream : RawIOBase or None
        When set, standard output, to write to in place of the file.
    name : str
        What people call it, for messages.
    """

    def __init__(
        self,
        recipe: Recipe,
        stamp: Stamp | None,
        file: Path,
        name: str,
        stream: RawIOBase | None = None,
    ) -> None:
        self.recipe, self.stamp = recipe, stamp
        self.file, self.name, self.stream = file, name, stream

    @property
    def folder(self) -> Path:
        """For whatever else is needed on the way."""
        return self.file.parent

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures to come."""
        return size_of(self.recipe)

    def open(self) -> RawIOBase:
        """The stream, or the file opened for writing, without a buffer of its own."""
        if self.stream is not None:
            return self.stream
        return self.file.open("wb", buffering=0)


def write_all(stream: RawIOBase | Any, data: bytes | memoryview) -> None:
    """Write everything: a raw stream may take less at a time.

    Raises
    ------
    OSError
    """
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[stream.write(rest) or 0 :]


Make = Callable[[Destination], Writer]
