"""What a picture, a video or an archive shows, as numbers that two versions can be compared by."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from graf_cli.arrays import Array
from tests import media

# In steps of 8 bits. The promise between processors is one step of colour and opacity.
PROMISE = 1.0
# Depths are told through a map of colours that runs through several of them in one step of depth.
THROUGH_A_MAP = 8.0
# How normals are taken from the density may become better; the surface that they are of stays.
NORMALS = 24.0  # on the mean
# Encoders that lose something answer to one step with more than one, here and there.
LOSSY = 2.0  # on the mean
LOSES = {".jpg", ".webp", ".gif", ".mp4", ".webm", ".mov"}
VIDEOS = {".mp4", ".webm", ".mov"}
FAR = 12.5  # world units, of toy cars
OPAQUE = 0.5  # below, a depth or a disparity is of hardly anything


def shows_the_same(there: Path, here: Path) -> None:
    """Hold two files of one format against each other.

    Raises
    ------
    AssertionError
    """
    mean, most = TOLERANCES.get(there.name, _tolerance(there.suffix))
    then, now = frames(there), frames(here)
    assert len(then) == len(now)
    for a, b in zip(then, now, strict=True):
        assert a.shape == b.shape
        difference = np.abs(a - b)
        assert difference.mean() <= mean, there.name
        assert difference.max() <= most, there.name


TOLERANCES = {
    "normals.png": (NORMALS, 255.0),
    "kinds.png": (PROMISE, THROUGH_A_MAP),
}


def _tolerance(suffix: str) -> tuple[float, float]:
    """Of the mean, and of each number."""
    return (LOSSY, 255.0) if suffix in LOSES else (PROMISE, PROMISE)


def frames(path: Path) -> list[Array]:
    """Every picture of a file in steps of 8 bits, colours multiplied by their opacity."""
    if path.suffix in VIDEOS:
        return [*media.video(path).astype(np.float64)]
    if path.suffix == ".npz":
        return [*_archive(path)]
    if path.suffix == ".exr":
        return [*_exr(path)]
    if path.suffix == ".tar":
        return [*_tar(path)]
    return [*_stills(path)]


def _stills(path: Path | io.BytesIO) -> Iterator[Array]:
    with Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            if frame.mode.startswith("I"):  # 16 bits
                yield np.asarray(frame).astype(np.float64) / 257
            else:
                yield _multiplied(np.asarray(frame.convert("RGBA")).astype(np.float64))


def _multiplied(rgba: Array) -> Array:
    return np.concatenate((rgba[..., :3] * rgba[..., 3:] / 255, rgba[..., 3:]), axis=-1)


def _tar(path: Path) -> Iterator[Array]:
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            if member.name.endswith(".png"):
                yield from _stills(io.BytesIO(content.read()))


def _archive(path: Path) -> Iterator[Array]:
    """Numbers, each in steps of its own range."""
    with np.load(path) as file:
        seen = file["opacity"] > OPAQUE
        yield from (255.0 * file[key].astype(np.float64) for key in ("rgb", "opacity"))
        yield 255 / FAR * np.where(seen, file["depth"], 0).astype(np.float64)
        yield 255 * np.where(seen, file["disparity"], 0).astype(np.float64)


def _exr(path: Path) -> Iterator[Array]:
    import OpenEXR

    channels = OpenEXR.File(str(path), separate_channels=True).channels()
    for name in sorted(channels):
        steps = 255 / FAR if name.startswith("Z") else 255.0
        yield steps * np.asarray(channels[name].pixels).astype(np.float64)
