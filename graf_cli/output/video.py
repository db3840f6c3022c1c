"""Frames stream through ffmpeg into a video, one at a time."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import imageio_ffmpeg
import numpy as np

from graf_cli.errors import OutputError
from graf_cli.output.pictures import Pixels
from graf_cli.output.stamp import Stamp

QUIET = ("-hide_banner", "-loglevel", "error", "-nostdin", "-y")
BT709 = (
    "-vf", "scale=out_range=tv:out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int",
    "-pix_fmt", "yuv420p",
    "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
    "-color_range", "tv",
)  # fmt: skip
ENCODERS: dict[str, tuple[str, ...]] = {
    ".mp4": ("-c:v", "libx264", "-crf", "18", "-preset", "medium", *BT709,
             "-movflags", "+faststart+use_metadata_tags"),
    ".webm": ("-c:v", "libvpx-vp9", "-crf", "24", "-b:v", "0", "-row-mt", "1",
              "-deadline", "good", "-cpu-used", "4", *BT709),
    ".gif": ("-c:v", "ffv1", "-pix_fmt", "gbrp"),
}  # fmt: skip
EVEN = {".mp4", ".webm"}  # 4:2:0 chroma wants even sides
GIF_SPOOL = ".mkv"  # lossless; a palette of its own needs all frames, and memory holds one


class Encoder:
    """One running ffmpeg that takes pictures and writes a file.

    Parameters
    ----------
    path : Path
        What to write; its suffix chooses the codec.
    width, height : int
        Of the pictures to come; an odd side is repeated at its edge where the codec needs it.
    fps : float
    stamp : Stamp or None

    Raises
    ------
    OutputError
        When ffmpeg cannot start or does not know the codec.
    """

    def __init__(
        self, path: Path, width: int, height: int, fps: float, stamp: Stamp | None
    ) -> None:
        suffix = path.suffix.lower()
        self.path = path
        self.fps = fps
        self.spool = path.with_suffix(GIF_SPOOL) if suffix == ".gif" else None
        self._pad = (height % 2, width % 2) if suffix in EVEN else (0, 0)
        size = f"{width + self._pad[1]}x{height + self._pad[0]}"
        source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(fps), "-i")
        codec = ENCODERS[suffix]
        self._probe(size, codec)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as ffmpeg runs
        self._process = _start(
            (*source, "pipe:0", *codec, *_metadata(suffix, stamp), str(self.spool or path)),
            self._errors.fileno(),
        )
        assert self._process.stdin is not None
        self.input = self._process.stdin

    def write(self, image: Pixels) -> None:
        """Encode the next picture, shape = (height, width, 3).

        Raises
        ------
        OutputError
            When ffmpeg ended, with what it said.
        """
        if any(self._pad):
            image = np.pad(image, ((0, self._pad[0]), (0, self._pad[1]), (0, 0)), mode="edge")
        try:
            self.input.write(np.ascontiguousarray(image).data)
        except OSError as error:
            raise self._failure() from error

    def close(self) -> None:
        """Finish the file.

        Raises
        ------
        OutputError
            When ffmpeg failed, with what it said.
        """
        try:
            self.input.close()
        except OSError as error:
            raise self._failure() from error
        if self._process.wait() != 0:
            raise self._failure()
        self._errors.close()
        if self.spool is not None:
            _make_gif(self.spool, self.path)
            self.spool.unlink()

    def abort(self) -> None:
        """End ffmpeg, whatever it was doing."""
        self._process.kill()
        self._process.wait()
        with suppress(OSError):
            self.input.close()
        self._errors.close()
        if self.spool is not None:
            self.spool.unlink(missing_ok=True)

    def __enter__(self) -> Encoder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _probe(self, size: str, codec: Sequence[str]) -> None:
        """Encode one grey frame to nowhere: a codec that cannot work is found before the job."""
        picture = ("-f", "lavfi", "-i", f"color=gray:s={size}:r={self.fps}", "-frames:v", "1")
        _run((*picture, *codec, "-f", "null", "-"), self.path)

    def _failure(self) -> OutputError:
        self._process.wait()
        self._errors.seek(0)
        return _failed(self.path, self._errors.read().decode(errors="replace"))


def _metadata(suffix: str, stamp: Stamp | None) -> tuple[str, ...]:
    if stamp is None or suffix == ".gif":
        return ()
    pairs = [*stamp.entries(), ("comment", stamp.recipe.to_json())]
    return tuple(word for key, text in pairs for word in ("-metadata", f"{key}={text}"))


def _make_gif(spool: Path, path: Path) -> None:
    """Two passes over the lossless spool: a palette made for these frames, then the frames."""
    palette = spool.with_suffix(".palette.png")
    try:
        _run(("-i", str(spool), "-vf", "palettegen=stats_mode=full", str(palette)), path)
        mapping = "[0:v][1:v]paletteuse=dither=sierra2_4a:diff_mode=rectangle"
        _run(
            ("-i", str(spool), "-i", str(palette), "-lavfi", mapping, "-loop", "0", str(path)), path
        )
    finally:
        palette.unlink(missing_ok=True)


def _executable() -> str:
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise OutputError(
            "No ffmpeg was found; reinstall imageio-ffmpeg, which brings one."
        ) from error


def _start(arguments: Sequence[str], errors: int) -> subprocess.Popen[bytes]:
    """A session of its own, so that ^C reaches graf alone and ffmpeg ends in order."""
    try:
        return subprocess.Popen(
            (_executable(), *QUIET[:3], "-y", *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        raise OutputError(f"ffmpeg cannot start: {error}; reinstall imageio-ffmpeg.") from error


def _run(arguments: Sequence[str], path: Path) -> None:
    try:
        done = subprocess.run((_executable(), *QUIET, *arguments), capture_output=True, check=False)
    except OSError as error:
        raise OutputError(f"ffmpeg cannot start: {error}; reinstall imageio-ffmpeg.") from error
    if done.returncode != 0:
        raise _failed(path, done.stderr.decode(errors="replace"))


def _failed(path: Path, said: str) -> OutputError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    full = any("No space left" in line for line in lines)
    reason = "No space left on device" if full else (lines[0] if lines else "ffmpeg ended early")
    return OutputError(
        f"{path} cannot be encoded: {reason.rstrip('.')}; free the place or name another --out."
    )
