"""One picture: a contact sheet of every frame, or the one frame of a format that keeps numbers."""

from __future__ import annotations

import math

import numpy as np

from graf_cli.errors import OutputError
from graf_cli.output.encode.pixels import Shown, has_alpha, size_of
from graf_cli.output.encode.stills import encode, write_still
from graf_cli.output.encode.writer import Destination, PixelWriter, Writer, write_all
from graf_cli.rendering.renderer import Frame

SHEET_LIMIT = 1 << 30  # bytes of a contact sheet


class SheetWriter(PixelWriter):
    """One picture that holds every frame, row by row; of a single frame, that frame."""

    def __init__(self, to: Destination, name: str, columns: int) -> None:
        super().__init__(to)
        self.name, self.columns = name, columns
        self.width, self.height = size_of(to.recipe)
        rows = math.ceil(len(to.recipe) / columns)
        shape: tuple[int, ...] = (rows * self.height, columns * self.width)
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

    def show(self, image: Shown) -> None:
        """Take the next picture."""
        row, column = divmod(self.count, self.columns)
        top, left = row * self.height, column * self.width
        self.sheet[top : top + self.height, left : left + self.width] = image
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
        from graf_cli.output.encode import exr  # noqa: PLC0415 - an optional dependency

        exr.require()
        self.to, self.name = to, name

    def write(self, frame: Frame) -> None:
        """Write the frame."""
        write_still(self.to.file, frame, self.to.recipe, self.to.stamp, self.name)

    def close(self) -> None:
        """Nothing is left to do."""
