"""GIF, animated PNG and animated WebP: they loop, and carry words in chunks of their own."""

from __future__ import annotations

import errno
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Self

from graf_cli.output.encode import ffmpeg, sheet
from graf_cli.output.encode.ffmpeg import Ffmpeg
from graf_cli.output.encode.pixels import Shown
from graf_cli.output.encode.stills import encode
from graf_cli.output.encode.video import SpoolWriter, source
from graf_cli.output.encode.writer import Destination, Make, PixelWriter, Writer
from graf_cli.output.formats import Encoding, has_alpha
from graf_cli.output.provenance.stamp import XMP_KEY, Stamp

PNG_HEAD = 33  # bytes of signature and IHDR
GIF_HEAD = 13  # bytes before the global palette
NETSCAPE = b"\x21\xff\x0bNETSCAPE2.0"
NETSCAPE_LENGTH = 19
RIFF_LIMIT = (1 << 32) - 64  # bytes


class GifWriter(SpoolWriter):
    """Two passes over a lossless spool: a palette made for these frames, then the frames."""

    def __init__(self, to: Destination, encoding: Encoding) -> None:
        super().__init__(to)
        self.plays = encoding.loop or 0

    def close(self) -> None:
        """Make the file, its recipe as a comment."""
        super().close()
        palette, bare = self.to.folder / "palette.png", self.to.folder / "bare.gif"
        spare = int(has_alpha(self.to.recipe))
        making = f"palettegen=stats_mode=full:reserve_transparent={spare}"
        ffmpeg.run(("-i", str(self.spool), "-vf", making, str(palette)), self.to.name)
        using = "[0:v][1:v]paletteuse=dither=sierra2_4a:diff_mode=rectangle"
        inputs = ("-i", str(self.spool), "-i", str(palette), "-lavfi", using)
        # GIF counts repetitions after the first time; -1 leaves the count out.
        loop = {0: 0, 1: -1}.get(self.plays, self.plays - 1)
        ffmpeg.run((*inputs, "-loop", str(loop), str(bare)), self.to.name)
        text = self.to.stamp.comment().encode() if self.to.stamp else b""
        with bare.open("rb") as original, self.to.file.open("wb") as out:
            _copy_gif(original, out, text)


def _copy_gif(original: BinaryIO, out: BinaryIO, text: bytes) -> None:
    """With a comment extension behind the palette and the loop count."""
    head = original.read(GIF_HEAD)
    palette = 3 << (head[10] & 7) + 1 if head[10] & 0x80 else 0
    out.write(head + original.read(palette))
    following = original.read(NETSCAPE_LENGTH)
    loops = following.startswith(NETSCAPE)
    out.write(following if loops else b"")
    if text:
        blocks = (text[at : at + 255] for at in range(0, len(text), 255))
        out.write(b"\x21\xfe" + b"".join(bytes((len(b),)) + b for b in blocks) + b"\0")
    out.write(b"" if loops else following)
    shutil.copyfileobj(original, out)


class ApngWriter(PixelWriter):
    """ffmpeg writes the pictures as they come; the words are put in at the end."""

    def __init__(self, to: Destination, encoding: Encoding) -> None:
        super().__init__(to)
        self.bare = to.folder / "bare.apng"
        self.plays = encoding.loop or 0

    def opened(self) -> Self:
        """With ffmpeg running."""
        to = self.to
        arguments = ("-c:v", "apng", "-plays", str(self.plays), "-f", "apng", str(self.bare))
        self.process = Ffmpeg((*source(to, to.size), *arguments), to.name).started()
        return self

    def show(self, image: Shown) -> None:
        """Encode the next frame."""
        self.process.write(image.data)

    def close(self) -> None:
        """Finish the file."""
        self.process.close()
        with self.bare.open("rb") as original, self.to.file.open("wb") as out:
            out.write(original.read(PNG_HEAD))
            for chunk in _png_chunks(self.to.stamp):
                out.write(chunk)
            shutil.copyfileobj(original, out)

    def abort(self) -> None:
        """End ffmpeg."""
        self.process.abort()


def _png_chunks(stamp: Stamp | None) -> Iterator[bytes]:
    if stamp is None:
        return
    for key, text in (*stamp.entries(), (XMP_KEY, stamp.xmp())):
        body = b"iTXt" + key.encode("latin-1") + bytes(5) + text.encode()
        yield struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


class WebpWriter(PixelWriter):
    """Stills one after another in a RIFF container, written as they come.

    (ffmpeg's animated WebP keeps every frame in memory until the end.)
    """

    def __init__(self, to: Destination, encoding: Encoding) -> None:
        super().__init__(to)
        self.count = 0
        self.out = to.file.open("wb")
        width, height = to.size
        flags = 0x02 | 0x10 * has_alpha(to.recipe) | 0x04 * (to.stamp is not None)
        size = _three(width - 1) + _three(height - 1)
        self.out.write(b"RIFF" + bytes(4) + b"WEBP")
        self._chunk(b"VP8X", bytes((flags, 0, 0, 0)) + size)
        self._chunk(b"ANIM", bytes(4) + struct.pack("<H", encoding.loop or 0))
        self._frame_head = bytes(6) + size

    def show(self, image: Shown) -> None:
        """Encode the next frame."""
        still = encode(image, "webp", None)
        picture = b"".join(_picture_chunks(still))
        no_blend = b"\x02"
        self._chunk(b"ANMF", self._frame_head + _three(self._duration()) + no_blend + picture)
        self.count += 1

    def close(self) -> None:
        """Finish the file."""
        if self.to.stamp:
            self._chunk(b"XMP ", self.to.stamp.xmp().encode())
        length = self.out.tell() - 8
        self.out.seek(4)
        self.out.write(struct.pack("<I", length))
        self.out.close()

    def abort(self) -> None:
        """Close the file."""
        self.out.close()

    def _duration(self) -> int:
        """Milliseconds, rounded so that they add up over the animation."""
        start, end = (round(1000 * k / self.to.recipe.fps) for k in (self.count, self.count + 1))
        return min(end - start, 0xFFFFFF)

    def _chunk(self, name: bytes, body: bytes) -> None:
        if self.out.tell() + len(body) > RIFF_LIMIT:
            raise OSError(errno.EFBIG, "WebP holds at most 4 GiB")
        self.out.write(name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2))


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


def _picture_chunks(still: bytes) -> Iterator[bytes]:
    """The chunks of a still WebP that hold its pixels."""
    at = 12
    while at < len(still):
        [length] = struct.unpack_from("<I", still, at + 4)
        end = at + 8 + length + length % 2
        if still[at : at + 4] in (b"ALPH", b"VP8 ", b"VP8L"):
            yield still[at:end]
        at = end


def maker(name: str, encoding: Encoding, *, several: bool, columns: int | None) -> Make:
    """How to make the writer of a format; see `graf_cli.output.encode`."""
    if not several and name == "webp":
        return sheet.maker(name, encoding, several=several, columns=columns)
    kinds: dict[str, Callable[[Destination, Encoding], Writer]] = {
        "gif": GifWriter,
        "apng": ApngWriter,
        "webp": WebpWriter,
    }
    return lambda to: kinds[name](to, encoding)
