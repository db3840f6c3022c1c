"""Frames become the bytes of still pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from graf_cli.output.encode.pixels import Shown, shown
from graf_cli.output.provenance.stamp import XMP_KEY, Stamp
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import Frame

JPEG_QUALITY = 95
WEBP_QUALITY = 95


def encode(image: Shown, name: str, stamp: Stamp | None) -> bytes:
    """A picture as the bytes of a PNG, JPEG or WebP file that carries its stamp."""
    buffer = io.BytesIO()
    kind = "JPEG" if name in ("jpg", "jpeg") else name.upper()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, kind, **_OPTIONS[kind](stamp))
    return buffer.getvalue()


def decode_grey(path: Path) -> NDArray[np.uint8]:
    """A file of 8-bit numbers, as `encode` packs them, shape = (H, W).

    Raises
    ------
    OSError
        When it is no such picture.
    """
    with Image.open(path) as image:
        if image.mode != "L":
            raise OSError(f"is of the mode {image.mode} instead of 8-bit numbers")
        return np.asarray(image, dtype=np.uint8)


def write_still(path: Path, frame: Frame, recipe: Recipe, stamp: Stamp | None, name: str) -> None:
    """One frame as a file of its own."""
    if name == "exr":
        from graf_cli.output.encode.exr import write_exr  # noqa: PLC0415 - an optional dependency

        write_exr(path, frame, recipe, stamp)
    else:
        path.write_bytes(encode(shown(frame, recipe), name, stamp))


def _png(stamp: Stamp | None) -> dict[str, Any]:
    info = PngInfo()
    if stamp:
        for key, text in stamp.entries():
            info.add_itxt(key, text)
        info.add_itxt(XMP_KEY, stamp.xmp())
    return {"pnginfo": info}


def _jpeg(stamp: Stamp | None) -> dict[str, Any]:
    options: dict[str, Any] = {"quality": JPEG_QUALITY, "subsampling": 0}
    return {**options, "xmp": stamp.xmp().encode()} if stamp else options


def _webp(stamp: Stamp | None) -> dict[str, Any]:
    options: dict[str, Any] = {"quality": WEBP_QUALITY}
    return {**options, "xmp": stamp.xmp().encode()} if stamp else options


_OPTIONS = {"PNG": _png, "JPEG": _jpeg, "WEBP": _webp}
