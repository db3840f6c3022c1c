"""Frames stream through ffmpeg into a video, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from graf_cli.output.encode import ffmpeg
from graf_cli.output.encode.ffmpeg import Ffmpeg
from graf_cli.output.encode.pixels import Shown
from graf_cli.output.encode.writer import Destination, Make, PixelWriter
from graf_cli.output.formats import Encoding, has_alpha
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.output.table import FORMATS

# What frames say of themselves goes before what the encoder is told, so that both say it.
_TO_BT709 = (
    "scale=out_range=tv:out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)
_TAGS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
         "-color_range", "tv")  # fmt: skip
_ENCODERS: dict[str, tuple[str, ...]] = {
    "h264": ("-c:v", "libx264", "-preset", "medium"),
    "h265": ("-c:v", "libx265", "-preset", "medium", "-tag:v", "hvc1", "-x265-params",
             "log-level=error"),
    "av1": ("-c:v", "libaom-av1", "-cpu-used", "6", "-row-mt", "1", "-b:v", "0"),
    "vp9": ("-c:v", "libvpx-vp9", "-b:v", "0", "-row-mt", "1", "-deadline", "good",
            "-cpu-used", "4"),
    "prores": ("-c:v", "prores_ks", "-profile:v", "4444", "-vendor", "apl0"),
}  # fmt: skip
_CRF = {"h264": 18, "h265": 20, "av1": 24, "vp9": 24}
_FILE = ("-movflags", "+faststart+use_metadata_tags")
_STREAM = ("-movflags", "frag_keyframe+empty_moov+default_base_moof+use_metadata_tags")
SPOOL = ("-c:v", "ffv1", "-level", "3")  # lossless


class VideoWriter(PixelWriter):
    """mp4, WebM and mov."""

    def __init__(self, to: Destination, name: str, encoding: Encoding) -> None:
        super().__init__(to)
        width, height = to.size
        codec = encoding.codec or FORMATS[name].codecs[0]
        even = codec != "prores"  # 4:2:0 chroma wants even sides
        self._pad = (height % 2 * even, width % 2 * even)
        size = (width + self._pad[1], height + self._pad[0])
        self._name, self._size = name, size
        self._arguments = (*_codec(codec, encoding, alpha=has_alpha(to.recipe)),)

    def opened(self) -> Self:
        """With ffmpeg running.

        Raises
        ------
        OutputError
            When it cannot start or does not know the codec.
        """
        to, name, size, arguments = self.to, self._name, self._size, self._arguments
        _probe(size, arguments, to)
        metadata = _metadata(to.folder, to.stamp)
        if name == "webm":  # whose numbers of identity would be drawn at random
            arguments = (*arguments, "-fflags", "+bitexact")
        else:
            arguments = (*arguments, *(_FILE if to.stream is None else _STREAM))
        if to.stream is not None:  # a second at a time goes out
            arguments = (*arguments, "-g", str(max(1, round(to.recipe.fps))))
        sink = "pipe:1" if to.stream is not None else str(to.file)
        container = {"webm": "webm", "mov": "mov"}.get(name, "mp4")
        self.process = Ffmpeg(
            (*source(to, size), *metadata, *arguments, "-f", container, sink),
            to.name,
            None if to.stream is None else to.stream.fileno(),
        ).started()
        return self

    def show(self, image: Shown) -> None:
        """Encode the next frame; an odd side is repeated at its edge where the codec needs it."""
        if any(self._pad):
            sides = ((0, self._pad[0]), (0, self._pad[1]), (0, 0))
            image = np.asarray(np.pad(image, sides, mode="edge"), dtype=np.uint8)
        self.process.write(np.ascontiguousarray(image).data)

    def close(self) -> None:
        """Finish the file."""
        self.process.close()

    def abort(self) -> None:
        """End ffmpeg."""
        self.process.abort()


class SpoolWriter(PixelWriter):
    """Spools frames to a lossless video, for formats that need all of them twice.

    Subclasses make the file of it when the last frame has come.
    """

    def __init__(self, to: Destination) -> None:
        super().__init__(to)
        self.spool = to.folder / "spool.mkv"

    def opened(self) -> Self:
        """With ffmpeg running."""
        to = self.to
        form = "gbrap" if has_alpha(to.recipe) else "gbrp"
        arguments = (*source(to, to.size), *SPOOL, "-pix_fmt", form, str(self.spool))
        self.process = Ffmpeg(arguments, to.name).started()
        return self

    def show(self, image: Shown) -> None:
        """Spool the next frame."""
        self.process.write(image.data)

    def close(self) -> None:
        """Finish the spool."""
        self.process.close()

    def abort(self) -> None:
        """End ffmpeg."""
        self.process.abort()


def source(to: Destination, size: tuple[int, int]) -> tuple[str, ...]:
    """How ffmpeg understands the raw pictures on its standard input."""
    form = "rgba" if has_alpha(to.recipe) else "rgb24"
    shape = f"{size[0]}x{size[1]}"
    rate = str(to.recipe.fps)
    return ("-f", "rawvideo", "-pix_fmt", form, "-s", shape, "-r", rate, "-i", "pipe:0")


def _codec(codec: str, encoding: Encoding, *, alpha: bool) -> tuple[str, ...]:
    crf = _CRF.get(codec) if encoding.crf is None else encoding.crf
    quality = () if crf is None else ("-crf", str(crf))
    form = {True: "yuva420p", False: "yuv420p"}[alpha]
    if codec == "prores":
        form = {True: "yuva444p10le", False: "yuv444p10le"}[alpha]
        quality = ("-alpha_bits", "16") if alpha else ()
    return (*_ENCODERS[codec], *quality, "-vf", _TO_BT709, "-pix_fmt", form, *_TAGS)


def _probe(size: tuple[int, int], codec: Sequence[str], to: Destination) -> None:
    """Encode one grey frame to nowhere: a codec that cannot work is found before the job."""
    grey = f"color=gray:s={size[0]}x{size[1]}:r={to.recipe.fps}"
    picture = ("-f", "lavfi", "-i", grey, "-frames:v", "1")
    ffmpeg.run((*picture, *codec, "-f", "null", "-"), to.name)


def _metadata(folder: Path, stamp: Stamp | None) -> tuple[str, ...]:
    """By a file, since a recipe may be longer than a command line."""
    if stamp is None:
        return ()
    path = folder / "metadata.txt"
    pairs = [*stamp.entries(), ("comment", f"{stamp.tool}: generated by the model {stamp.model}")]
    lines = [f"{_escaped(key)}={_escaped(text)}\n" for key, text in pairs]
    path.write_text(";FFMETADATA1\n" + "".join(lines), encoding="utf-8")
    return ("-f", "ffmetadata", "-i", str(path), "-map", "0:v", "-map_metadata", "1")


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in "=;#\\\n" else c for c in text)


def maker(name: str, encoding: Encoding, *, several: bool, columns: int | None) -> Make:  # noqa: ARG001 as all formats have them
    """How to make the writer of a format; see `graf_cli.output.encode`."""
    return lambda to: VideoWriter(to, name, encoding)
