"""Frames become `.npz`: the numbers themselves, spooled to disk so that memory stays flat."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from graf_cli.output.encode.pixels import seen_normals
from graf_cli.output.encode.writer import Destination, Make, Writer
from graf_cli.output.formats import Encoding
from graf_cli.output.provenance.stamp import RECIPE_KEY, SOURCE_TYPE, SOURCE_TYPE_KEY, Stamp
from graf_cli.recipe import TRANSPARENT, Recipe
from graf_cli.rendering.renderer import Frame

Numbers = Mapping[str, NDArray[np.float32]]

UNITS_KEY = "graf.units"
EPOCH = (1980, 1, 1, 0, 0, 0)  # one date for all members: the same frames, the same bytes


class ArrayWriter(Writer):
    """Writes `rgb` (n, H, W, 3), `depth`, `disparity`, `opacity` (n, H, W), `normal` if shown."""

    def __init__(self, to: Destination) -> None:
        self.to = to
        self.count = 0
        names = names_of(to.recipe)
        with ExitStack() as undo:
            self._spools: dict[str, BinaryIO] = {
                name: undo.enter_context((to.folder / name).open("wb")) for name in names
            }
            self._open = undo.pop_all()

    def write(self, frame: Frame) -> None:
        """Append one frame."""
        self.add(numbers_of(frame, self.to.recipe))

    def add(self, numbers: Numbers) -> None:
        """Append one frame, as `numbers_of` makes it."""
        self.count += 1
        for name, spool in self._spools.items():
            spool.write(np.ascontiguousarray(numbers[name], dtype="<f4").data)

    def close(self) -> None:
        """Gather the spools into one file."""
        self._open.close()
        with zipfile.ZipFile(self.to.file, "w", zipfile.ZIP_STORED) as archive:
            for name in self._spools:
                self._add(archive, name)
            add_text(archive, UNITS_KEY, msgspec.json.encode(units(self.to.recipe)).decode())
            if self.to.stamp:
                add_stamp(archive, self.to.stamp)

    def abort(self) -> None:
        """Close the spools; their folder goes with the rest."""
        self._open.close()

    def _add(self, archive: zipfile.ZipFile, name: str) -> None:
        channels = (3,) if name in ("rgb", "normal") else ()
        recipe = self.to.recipe
        shape = (self.count, recipe.height, recipe.width, *channels)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
        with (
            archive.open(member, "w", force_zip64=True) as entry,
            (self.to.folder / name).open("rb") as spool,
        ):
            np.lib.format.write_array_header_1_0(entry, header)
            shutil.copyfileobj(spool, entry, 1 << 20)
        (self.to.folder / name).unlink()


def units(recipe: Recipe) -> dict[str, str]:
    """What the numbers of each array mean."""
    behind = "on black" if recipe.background == TRANSPARENT else f"on {recipe.background}"
    return {
        "rgb": f"sRGB in [0, 1], {behind}",
        "depth": "world units along the optical axis, times opacity; 0 where nothing is",
        "disparity": "opacity / depth, per world unit",
        "opacity": "in [0, 1]",
        "normal": f"unit vector in the {recipe.normals}'s axes, away from the object",
    }


def names_of(recipe: Recipe) -> list[str]:
    """The arrays that a recipe's numbers are."""
    normal = ["normal"] if "normal" in recipe.show else []
    return ["rgb", "depth", "disparity", "opacity", *normal]


def numbers_of(frame: Frame, recipe: Recipe) -> Numbers:
    """The numbers of one frame by name: `rgb` and `normal` (H, W, 3), the others (H, W)."""
    return {
        name: seen_normals(frame, recipe) if name == "normal" else getattr(frame, name)
        for name in names_of(recipe)
    }


def add_stamp(archive: zipfile.ZipFile, stamp: Stamp) -> None:
    """Add what a file says of itself, as arrays of text."""
    add_text(archive, RECIPE_KEY, stamp.recipe.to_json())
    add_text(archive, SOURCE_TYPE_KEY, SOURCE_TYPE)


def add_text(archive: zipfile.ZipFile, name: str, text: str) -> None:
    """Add a text as an array."""
    buffer = io.BytesIO()
    np.save(buffer, np.array(text))
    archive.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), buffer.getvalue())


def maker(name: str, encoding: Encoding, *, several: bool, columns: int | None) -> Make:  # noqa: ARG001 as all formats have them
    """How to make the writer of a format; see `graf_cli.output.encode`."""
    return ArrayWriter
