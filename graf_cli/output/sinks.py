"""Where frames go: a picture, a sheet, a numbered sequence, a video, arrays, standard output.

A sink is a context manager. Frames are written to it one by one; when the block ends well it
publishes its files and `paths` names them, else nothing is left under a final name.
"""

from __future__ import annotations

import math
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from graf_cli.errors import OutputError
from graf_cli.output.formats import Encoding, Target, check, check_stamp
from graf_cli.output.look import has_alpha, size_of
from graf_cli.output.place import Place, explained, placed, refuse_present
from graf_cli.output.stamp import Stamp
from graf_cli.output.stdout import standard_output
from graf_cli.output.stills import encode, shown, write_still
from graf_cli.output.writer import Destination, Writer, write_all
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import Frame

SHEET_LIMIT = 1 << 30  # bytes of a contact sheet
RECIPE_FILE = "recipe.json"
STDOUT_NAME = Path("Standard output")

Make = Callable[[Destination], Writer]


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

    def interrupt(self) -> None:
        """Make a `write` that runs on another thread come to its end soon."""
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


class SheetWriter(Writer):
    """One picture that holds every frame, row by row; of a single frame, that frame."""

    def __init__(self, to: Destination, name: str, columns: int) -> None:
        self.to, self.name, self.columns = to, name, columns
        width, self.height = size_of(to.recipe)
        self.width = width
        rows = math.ceil(len(to.recipe) / columns)
        shape: tuple[int, ...] = (rows * self.height, columns * width)
        deep = to.recipe.show == ("depth16",)
        if not deep:
            shape = (*shape, 4 if has_alpha(to.recipe) else 3)
        if math.prod(shape) > SHEET_LIMIT:
            raise OutputError(
                f"{to.name} would be {shape[1]} × {shape[0]} pixels; "
                "use fewer or smaller pictures, or a folder as `NAME/`."
            )
        empty = 0 if deep or has_alpha(to.recipe) else 255
        self.sheet = np.full(shape, empty, dtype=np.uint16 if deep else np.uint8)
        self.count = 0

    def write(self, frame: Frame) -> None:
        """Take the next frame."""
        row, column = divmod(self.count, self.columns)
        top, left = row * self.height, column * self.width
        picture = shown(frame, self.to.recipe)
        self.sheet[top : top + self.height, left : left + self.width] = picture
        self.count += 1

    def close(self) -> None:
        """Write the file."""
        data = encode(self.sheet, self.name, self.to.stamp)
        if self.to.stream is not None:
            write_all(self.to.stream, data)
        else:
            self.to.file.write_bytes(data)


class StillWriter(Writer):
    """The one frame of a format that keeps numbers."""

    def __init__(self, to: Destination, name: str) -> None:
        from graf_cli.output import exr  # noqa: PLC0415 - an optional dependency

        exr.require()
        self.to, self.name = to, name

    def write(self, frame: Frame) -> None:
        """Write the frame."""
        write_still(self.to.file, frame, self.to.recipe, self.name, self.to.stamp)

    def close(self) -> None:
        """Nothing is left to do."""


class FileSink(Sink):
    """One file, made in a place of its own and then renamed."""

    def __init__(
        self, path: Path, recipe: Recipe, stamp: Stamp | None, make: Make, *, clobber: bool
    ) -> None:
        super().__init__()
        self.path = path
        with ExitStack() as undo:
            self.place = Place(path, clobber=clobber)
            undo.callback(self.place.discard)
            with explained(path):
                self.writer = make(Destination(recipe, stamp, self.place.file, str(path)))
            undo.pop_all()

    def write(self, frame: Frame) -> None:
        """Take the next frame."""
        with explained(self.path):
            self.writer.write(frame)

    def commit(self) -> None:
        """Publish the file."""
        with explained(self.path):
            self.writer.close()
        self.place.publish()
        self.paths.append(self.path)

    def interrupt(self) -> None:
        """Stop the writer."""
        with suppress(OSError):
            self.writer.abort()

    def abort(self) -> None:
        """Leave nothing half-written."""
        self.interrupt()
        self.place.discard()


class SequenceSink(Sink):
    """Numbered pictures in a folder, each published as it is made, beside the whole recipe."""

    def __init__(
        self, folder: Path, pattern: str, name: str, recipe: Recipe, *, clobber: bool, stamped: bool
    ) -> None:
        super().__init__()
        self.folder, self.pattern, self.form = folder, pattern, name
        self.recipe, self.clobber, self.stamped = recipe, clobber, stamped
        if name == "exr":
            from graf_cli.output import exr  # noqa: PLC0415 - an optional dependency

            exr.require()
        if not clobber:
            for path in (folder / RECIPE_FILE, *map(self.name, range(len(recipe)))):
                refuse_present(path)
        Place(self.name(0), clobber=clobber).discard()
        if stamped:
            with placed(folder / RECIPE_FILE) as temporary:
                temporary.write_text(recipe.to_json() + "\n", encoding="utf-8")

    def name(self, k: int) -> Path:
        """The file of frame `k`."""
        return self.folder / (self.pattern % k)

    def write(self, frame: Frame) -> None:
        """Take the next frame."""
        k = len(self.paths)
        recipe = self.recipe.only(k)
        stamp = Stamp(recipe) if self.stamped else None
        with placed(self.name(k), clobber=self.clobber) as temporary:
            write_still(temporary, frame, recipe, self.form, stamp)
        self.paths.append(self.name(k))


class StreamSink(Sink):
    """Standard output: at once where the format streams, else from a file when it is finished."""

    def __init__(self, recipe: Recipe, stamp: Stamp | None, make: Make, *, at_once: bool) -> None:
        super().__init__()
        self.stdout = standard_output()
        with ExitStack() as undo:
            # Seen by `discard_all` as every other temporary folder is.
            self.place = Place(Path(tempfile.gettempdir()) / "graf-stdout")
            undo.callback(self.place.discard)
            stream = self.stdout if at_once else None
            to = Destination(recipe, stamp, self.place.file, str(STDOUT_NAME), stream)
            self.at_once = at_once
            self.writer = make(to)
            undo.pop_all()

    def write(self, frame: Frame) -> None:
        """Take the next frame."""
        with explained(STDOUT_NAME):
            self.writer.write(frame)

    def commit(self) -> None:
        """Send what is left."""
        with explained(STDOUT_NAME):
            self.writer.close()
            if not self.at_once:
                with self.place.file.open("rb") as finished:
                    while part := finished.read(1 << 20):
                        write_all(self.stdout, part)

    def interrupt(self) -> None:
        """Stop the writer, also while it waits for its reader."""
        self.stdout.stop()
        with suppress(OSError):
            self.writer.abort()

    def abort(self) -> None:
        """Remove what was needed on the way."""
        self.interrupt()
        self.place.discard()
        with suppress(OSError):
            self.stdout.close()


def open_sink(
    target: Target,
    recipe: Recipe,
    *,
    columns: int | None = None,
    clobber: bool = True,
    metadata: bool = True,
    encoding: Encoding | None = None,
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
    encoding : Encoding, optional

    Raises
    ------
    UsageError
        When the format cannot hold what is asked for.
    OutputError
        When the place cannot be written, or the encoder cannot start.
    """
    encoding = encoding or Encoding()
    check(target, recipe, encoding, sheet=columns is not None)
    if metadata:
        check_stamp(target, recipe)
    if target.pattern is not None:
        assert target.path is not None
        return SequenceSink(
            target.path, target.pattern, target.format.name, recipe,
            clobber=clobber, stamped=metadata,
        )  # fmt: skip
    stamp = Stamp(recipe) if metadata and target.format.metadata else None
    make = _maker(target, recipe, columns, encoding)
    if target.path is None:
        return StreamSink(recipe, stamp, make, at_once=target.format.streams)
    return FileSink(target.path, recipe, stamp, make, clobber=clobber)


def _maker(target: Target, recipe: Recipe, columns: int | None, encoding: Encoding) -> Make:
    """How to make the writer of a format, whose module is imported only now."""
    name = target.format.name
    several = len(recipe) > 1 and columns is None
    if name in ("mp4", "webm", "mov"):
        from graf_cli.output.video import VideoWriter  # noqa: PLC0415

        return lambda to: VideoWriter(to, name, encoding)
    if name in ("gif", "apng") or (name == "webp" and several):
        from graf_cli.output import animation  # noqa: PLC0415

        makers: dict[str, Callable[[Destination, Encoding], Writer]] = {
            "gif": animation.GifWriter,
            "apng": animation.ApngWriter,
            "webp": animation.WebpWriter,
        }
        return lambda to: makers[name](to, encoding)
    if name == "npz":
        from graf_cli.output.arrays import ArrayWriter  # noqa: PLC0415

        return ArrayWriter
    if name == "exr":
        return lambda to: StillWriter(to, name)
    return _picture_maker(name, columns, several=several)


def _picture_maker(name: str, columns: int | None, *, several: bool) -> Make:
    from graf_cli.output import streams  # noqa: PLC0415

    plain: dict[str, Make] = {
        "y4m": streams.Y4mWriter,
        "raw": streams.RawWriter,
        "tar": streams.TarWriter,
    }
    if name in plain:
        return plain[name]
    if several:
        return lambda to: streams.PictureStream(to, name)
    return lambda to: SheetWriter(to, name, columns or 1)
