"""One picture: a contact sheet of every frame, or the one frame of a format that keeps numbers."""

from __future__ import annotations

import math

import numpy as np

from graf_cli.errors import OutputError
from graf_cli.output.encode.pixels import Shown
from graf_cli.output.encode.stills import encode
from graf_cli.output.encode.streams import PictureStream
from graf_cli.output.encode.writer import Destination, Make, PixelWriter, write_all
from graf_cli.output.formats import Encoding, has_alpha, size_of

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


def maker(name: str, encoding: Encoding, *, several: bool, columns: int | None) -> Make:  # noqa: ARG001 as all formats have them
    """How to make the writer of a format; see `graf_cli.output.encode`."""
    if several:
        return lambda to: PictureStream(to, name)
    return lambda to: SheetWriter(to, name, 1 if columns is None else columns)
