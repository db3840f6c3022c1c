"""Frames become the bytes of still pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngInfo

from graf_cli.output.place import placed
from graf_cli.output.stamp import Stamp
from graf_cli.render.renderer import Frame

JPEG_QUALITY = 95
WEBP_QUALITY = 95

Pixels = NDArray[np.uint8]


def pixels(frame: Frame) -> Pixels:
    """Colour as bytes, rounded to nearest; shape = (H, W, 3), [0, 255]."""
    return np.asarray(np.clip(frame.rgb * 255 + 0.5, 0, 255), dtype=np.uint8)


def encode(image: Pixels, suffix: str, stamp: Stamp | None) -> bytes:
    """A picture as the bytes of a PNG, JPEG or WebP file that carries its stamp."""
    buffer = io.BytesIO()
    options = _ENCODERS[suffix](stamp)
    iio.imwrite(buffer, image, plugin="pillow", extension=suffix, **options)
    return buffer.getvalue()


def write_picture(path: Path, image: Pixels, stamp: Stamp | None, *, clobber: bool = True) -> None:
    """Write one picture under its final name, whole or not at all.

    Raises
    ------
    OutputError
    """
    with placed(path, clobber=clobber) as temporary:
        temporary.write_bytes(encode(image, path.suffix.lower(), stamp))


def _png(stamp: Stamp | None) -> dict[str, Any]:
    info = PngInfo()
    if stamp:
        for key, text in stamp.entries():
            info.add_itxt(key, text)
        info.add_itxt("XML:com.adobe.xmp", stamp.xmp())
    return {"pnginfo": info}


def _jpeg(stamp: Stamp | None) -> dict[str, Any]:
    options: dict[str, Any] = {"quality": JPEG_QUALITY, "subsampling": 0}
    return {**options, "xmp": stamp.xmp().encode()} if stamp else options


def _webp(stamp: Stamp | None) -> dict[str, Any]:
    options: dict[str, Any] = {"quality": WEBP_QUALITY}
    return {**options, "xmp": stamp.xmp().encode()} if stamp else options


_ENCODERS = {".png": _png, ".jpg": _jpeg, ".jpeg": _jpeg, ".webp": _webp}
