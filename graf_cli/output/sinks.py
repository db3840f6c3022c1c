"""Where frames go: one picture, a sheet, a numbered sequence, a video, arrays.

A sink is a context manager. Frames are written to it one by one; when the block ends well it
publishes its files and `paths` names them, else nothing is left under a final name.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from graf_cli.errors import OutputError, UsageError
from graf_cli.output.arrays import ArrayWriter
from graf_cli.output.formats import Target
from graf_cli.output.pictures import Pixels, pixels, write_picture
from graf_cli.output.place import discard, explained, publish, reserve
from graf_cli.output.stamp import Stamp
from graf_cli.output.video import Encoder
from graf_cli.recipe import DEFAULT_FPS, Recipe, Sweep
from graf_cli.render.renderer import Frame

SHEET_LIMIT = 1 << 30  # bytes of a contact sheet


class Sink(ABC):
    """Takes frames; see the module."""

    def __init__(self) -> None:
        self.paths: list[Path] = []

    @abstractmethod
    def write(self, frame: Frame) -> None:
        """Take the next frame.

        Raises
        ------
        OutputError
        """

    def commit(self) -> None:
        """Publish what was written."""
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


class SheetSink(Sink):
    """One picture that holds every frame, row by row; of a single frame, that frame."""

    def __init__(
        self, path: Path, recipe: Recipe, columns: int, stamp: Stamp | None, *, clobber: bool
    ) -> None:
        super().__init__()
        self.path, self.stamp, self.columns = path, stamp, columns
        self.size = (recipe.height, recipe.width)
        rows = math.ceil(len(recipe) / columns)
        shape = (rows * recipe.height, columns * recipe.width, 3)
        if math.prod(shape) > SHEET_LIMIT:
            raise OutputError(
                f"{path} would be {shape[1]} × {shape[0]} pixels; "
                "use fewer or smaller pictures, or a folder as `NAME/`."
            )
        discard(reserve(path, clobber=clobber))
        self.clobber = clobber
        self.sheet: Pixels = np.full(shape, 255, dtype=np.uint8)
        self.count = 0

    def write(self, frame: Frame) -> None:
        """Take the next frame."""
        row, column = divmod(self.count, self.columns)
        (height, width), self.count = self.size, self.count + 1
        top, left = row * height, column * width
        self.sheet[top : top + height, left : left + width] = pixels(frame)

    def commit(self) -> None:
        """Publish the file."""
        write_picture(self.path, self.sheet, self.stamp, clobber=self.clobber)
        self.paths.append(self.path)


class SequenceSink(Sink):
    """Numbered pictures in a folder, each published as it is made."""

    def __init__(
        self, folder: Path, pattern: str, count: int, stamp: Stamp | None, *, clobber: bool
    ) -> None:
        super().__init__()
        self.folder, self.pattern, self.stamp, self.clobber = folder, pattern, stamp, clobber
        if not clobber:
            self._refuse_present(count)
        discard(reserve(self.name(0), clobber=clobber))

    def name(self, k: int) -> Path:
        """The file of frame `k`."""
        return self.folder / (self.pattern % k)

    def write(self, frame: Frame) -> None:
        """Take the next frame."""
        path = self.name(len(self.paths))
        write_picture(path, pixels(frame), self.stamp, clobber=self.clobber)
        self.paths.append(path)

    def _refuse_present(self, count: int) -> None:
        for path in map(self.name, range(count)):
            if path.exists():
                raise OutputError(
                    f"{path} is already there and --no-clobber keeps it; name another --out."
                )


class VideoSink(Sink):
    """A video, encoded while the frames arrive."""

    def __init__(self, path: Path, recipe: Recipe, stamp: Stamp | None, *, clobber: bool) -> None:
        super().__init__()
        self.path = path
        fps = recipe.plan.fps if isinstance(recipe.plan, Sweep) else DEFAULT_FPS
        with ExitStack() as undo:
            self.temporary = reserve(path, clobber=clobber)
            undo.callback(discard, self.temporary)
            self.encoder = Encoder(self.temporary, recipe.width, recipe.height, fps, stamp)
            undo.pop_all()

    def write(self, frame: Frame) -> None:
        """Take the next frame."""
        self.encoder.write(pixels(frame))

    def commit(self) -> None:
        """Publish the file."""
        self.encoder.close()
        publish(self.temporary, self.path)
        self.paths.append(self.path)

    def abort(self) -> None:
        """Leave nothing half-written."""
        self.encoder.abort()
        discard(self.temporary)


class ArraySink(Sink):
    """The numbers, as `.npz`."""

    def __init__(self, path: Path, stamp: Stamp | None, *, clobber: bool) -> None:
        super().__init__()
        self.path = path
        self.temporary = reserve(path, clobber=clobber)
        with explained(path):
            self.writer = ArrayWriter(self.temporary, stamp)

    def write(self, frame: Frame) -> None:
        """Take the next frame."""
        with explained(self.path):
            self.writer.write(frame)

    def commit(self) -> None:
        """Publish the file."""
        with explained(self.path):
            self.writer.close()
        publish(self.temporary, self.path)
        self.paths.append(self.path)

    def abort(self) -> None:
        """Leave nothing half-written."""
        self.writer.abort()
        discard(self.temporary)


def open_sink(
    target: Target,
    recipe: Recipe,
    *,
    columns: int | None = None,
    clobber: bool = True,
    metadata: bool = True,
) -> Sink:
    """The sink that a target asks for, ready: a place that cannot be written is found now.

    Parameters
    ----------
    target : Target
    recipe : Recipe
        What will be drawn; it travels inside the files unless `metadata` is off.
    columns : int, optional
        Of a contact sheet; a picture of several frames without it is an error.
    clobber : bool
        Whether files that are there are replaced.

    Raises
    ------
    UsageError
        When the format cannot hold so many frames.
    OutputError
        When the place cannot be written, or the encoder cannot start.
    """
    stamp = Stamp(recipe) if metadata else None
    if target.pattern is not None:
        return SequenceSink(target.path, target.pattern, len(recipe), stamp, clobber=clobber)
    if target.format.kind == "video":
        return VideoSink(target.path, recipe, stamp, clobber=clobber)
    if target.format.kind == "arrays":
        return ArraySink(target.path, stamp, clobber=clobber)
    if columns is None and len(recipe) > 1:
        raise UsageError(
            f"--out {target.path} holds one picture, but {len(recipe)} are asked for; "
            "write a video (.mp4, .webm, .gif), a folder as `NAME/`, or .npz."
        )
    return SheetSink(target.path, recipe, columns or 1, stamp, clobber=clobber)
