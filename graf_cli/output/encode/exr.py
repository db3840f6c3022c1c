"""Frames become OpenEXR: the numbers of one picture, for compositing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from graf_cli.errors import OutputError
from graf_cli.output.encode.pixels import seen_normals
from graf_cli.output.encode.writer import Destination, Make, Writer
from graf_cli.output.formats import Encoding
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.recipe import TRANSPARENT, Recipe
from graf_cli.rendering.renderer import Frame

UNITS = {
    "graf.units.RGBA": "sRGB-encoded in [0, 1], multiplied by A; without A on the background",
    "graf.units.A": "opacity in [0, 1]",
    "graf.units.Z": "world units along the optical axis, multiplied by A; divide by A",
    "graf.units.alpha": "how much of a pixel any object is, in [0, 1]",
    "graf.units.N": "unit vector, away from the object; 0 where nothing is",
}


def require() -> Any:
    """The OpenEXR package.

    Raises
    ------
    OutputError
        When it is not installed.
    """
    try:
        import OpenEXR  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise OutputError("Writing .exr needs the package OpenEXR; install graf[exr].") from error
    return OpenEXR


def write_exr(path: Path, frame: Frame, recipe: Recipe, stamp: Stamp | None) -> None:
    """Channels R G B, A, Z and, when shown, N.x N.y N.z, as 32-bit floats.

    The colours are on the recipe's background, or multiplied by A when that is transparent.
    """
    openexr = require()
    see_through = recipe.background == TRANSPARENT or "rgba" in recipe.show
    rgb = frame.on_black if see_through else frame.rgb
    channels = {
        "RGB": np.ascontiguousarray(rgb, dtype=np.float32),
        "Z": np.ascontiguousarray(frame.depth),
    }
    name = "A" if see_through else "opacity"
    channels[name] = np.ascontiguousarray(frame.opacity)
    if "alpha" in recipe.show:
        channels["alpha"] = frame.alpha
    if frame.normal is not None:
        normal = seen_normals(frame, recipe)
        for index, axis in enumerate("xyz"):
            channels[f"N.{axis}"] = np.ascontiguousarray(normal[..., index])
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage, **UNITS}
    if stamp:
        header |= dict(stamp.entries())
    try:
        openexr.File(header, channels).write(str(path))
    except RuntimeError as error:
        raise OSError(str(error)) from error


class StillWriter(Writer):
    """The one frame of a format that keeps numbers."""

    def __init__(self, to: Destination) -> None:
        require()
        self.to = to

    def write(self, frame: Frame) -> None:
        """Write the frame."""
        write_exr(self.to.file, frame, self.to.recipe, self.to.stamp)

    def close(self) -> None:
        """Nothing is left to do."""


def maker(name: str, encoding: Encoding, *, several: bool, columns: int | None) -> Make:  # noqa: ARG001 as all formats have them
    """How to make the writer of a format; see `graf_cli.output.encode`."""
    return StillWriter
