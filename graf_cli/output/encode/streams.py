"""Frames as plain streams, which need no seeking: for pipes, and for files as well."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from graf_cli.output.encode.pixels import Shown
from graf_cli.output.encode.stills import encode
from graf_cli.output.encode.writer import Destination, Make, PixelWriter, write_all
from graf_cli.output.formats import Encoding
from graf_cli.output.provenance.stamp import Stamp

RECORD = 10_240  # bytes that a tar's length is a multiple of


class StreamWriter(PixelWriter):
    """Writes bytes to a stream, each frame as it comes."""

    def __init__(self, to: Destination) -> None:
        super().__init__(to)
        self.count = 0
        self._stream = to.open()

    def show(self, image: Shown) -> None:
        """Write the next frame."""
        for data in self.encoded(image):
            write_all(self._stream, data)
        self.count += 1

    def encoded(self, image: Shown) -> Iterator[bytes]:
        """The frame as bytes, in parts."""
        yield np.ascontiguousarray(image).tobytes()

    def close(self) -> None:
        """Finish the file; standard output stays open."""
        if self.to.stream is None:
            self._stream.close()

    def abort(self) -> None:
        """Close the file."""
        if self.to.stream is None:
            self._stream.close()


class RawWriter(StreamWriter):
    """Bytes alone: RGB or RGBA, or 16-bit depth, row by row, little-endian."""


class PictureStream(StreamWriter):
    """Pictures one after another, each a whole file."""

    def __init__(self, to: Destination, name: str) -> None:
        self.name = name
        super().__init__(to)

    def encoded(self, image: Shown) -> Iterator[bytes]:
        """The frame as a picture."""
        recipe = self.to.recipe.only(self.count)
        stamp = Stamp(recipe) if self.to.stamp else None
        yield encode(image, self.name, stamp)


class Y4mWriter(StreamWriter):
    """YUV4MPEG2: carries size and rate; 4:4:4, BT.601, studio range, as readers expect it."""

    def encoded(self, image: Shown) -> Iterator[bytes]:
        """The frame, before the first one the header."""
        if self.count == 0:
            yield self._header()
        yield b"FRAME\n"
        yield np.ascontiguousarray(ycbcr(np.asarray(image, dtype=np.uint8))).tobytes()

    def _header(self) -> bytes:
        width, height = self.to.size
        rate = Fraction(self.to.recipe.fps).limit_denominator(1001)
        parameters = f"W{width} H{height} F{rate.numerator}:{rate.denominator} Ip A1:1 C444"
        return f"YUV4MPEG2 {parameters}\n".encode()


def ycbcr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """BT.601 at studio range, shape = (3, H, W): luma in [16, 235], chroma in [16, 240]."""
    matrix = np.array(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    )
    scale, offset = np.array([219, 224, 224]) / 255, np.array([16, 128, 128])
    planes = image.astype(np.float32) @ (matrix * scale[:, None]).T.astype(np.float32) + offset
    return np.asarray(np.moveaxis(np.round(planes), -1, 0), dtype=np.uint8)


class TarWriter(StreamWriter):
    """Numbered PNG files, `0000.png` and on, behind the `recipe.json` of the whole job."""

    def encoded(self, image: Shown) -> Iterator[bytes]:
        """The frame as a member of the archive."""
        if self.count == 0 and self.to.stamp:
            yield from member("recipe.json", self.to.recipe.to_json().encode())
        recipe = self.to.recipe.only(self.count)
        stamp = Stamp(recipe) if self.to.stamp else None
        yield from member(f"{self.count:04d}.png", encode(image, "png", stamp))

    def close(self) -> None:
        """The mark of the end."""
        write_all(self._stream, bytes(RECORD))
        super().close()


def member(name: str, data: bytes) -> Iterator[bytes]:
    """A file of an archive, without dates and owners: the same frames, the same bytes."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    yield info.tobuf(tarfile.PAX_FORMAT)
    yield data
    yield bytes(-len(data) % tarfile.BLOCKSIZE)


def maker(name: str, encoding: Encoding, *, several: bool, columns: int | None) -> Make:  # noqa: ARG001 as all formats have them
    """How to make the writer of a format; see `graf_cli.output.encode`."""
    return {"y4m": Y4mWriter, "raw": RawWriter, "tar": TarWriter}[name]
