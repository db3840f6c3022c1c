"""Frames become `.npz`: the numbers themselves, spooled to disk so that memory stays flat."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from graf_cli.output.stamp import RECIPE_KEY, Stamp
from graf_cli.render.renderer import Frame

ARRAYS = ("rgb", "depth", "disparity", "opacity")
EPOCH = (1980, 1, 1, 0, 0, 0)  # one date for all members: the same frames, the same bytes


class ArrayWriter:
    """Writes the arrays `rgb` (n, H, W, 3), `depth`, `disparity` and `opacity` (n, H, W).

    Parameters
    ----------
    path : Path
        What to write; spools lie beside it until the end.
    stamp : Stamp or None
    """

    def __init__(self, path: Path, stamp: Stamp | None) -> None:
        self.path = path
        self.stamp = stamp
        self.count = 0
        self.size = (0, 0)
        self._folder = TemporaryDirectory(dir=path.parent, prefix=f"{path.stem}-")
        self._spools = {name: self._spool(name).open("wb") for name in ARRAYS}

    def write(self, frame: Frame) -> None:
        """Append one frame."""
        self.count += 1
        self.size = frame.opacity.shape
        for name, spool in self._spools.items():
            values = np.ascontiguousarray(getattr(frame, name), dtype="<f4")
            spool.write(values.data)

    def close(self) -> None:
        """Gather the spools into one file."""
        self._close_spools()
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_STORED) as archive:
            for name in ARRAYS:
                self._add(archive, name)
            if self.stamp:
                self._add_stamp(archive, self.stamp)
        self._folder.cleanup()

    def abort(self) -> None:
        """Remove the spools."""
        self._close_spools()
        self._folder.cleanup()

    def _spool(self, name: str) -> Path:
        return Path(self._folder.name) / name

    def _close_spools(self) -> None:
        for spool in self._spools.values():
            spool.close()

    def _add(self, archive: zipfile.ZipFile, name: str) -> None:
        channels = (3,) if name == "rgb" else ()
        header = {
            "descr": "<f4",
            "fortran_order": False,
            "shape": (self.count, *self.size, *channels),
        }
        member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
        with (
            archive.open(member, "w", force_zip64=True) as entry,
            self._spool(name).open("rb") as s,
        ):
            np.lib.format.write_array_header_1_0(entry, header)
            shutil.copyfileobj(s, entry, 1 << 20)

    def _add_stamp(self, archive: zipfile.ZipFile, stamp: Stamp) -> None:
        buffer = io.BytesIO()
        np.save(buffer, np.array(stamp.recipe.to_json()))
        archive.writestr(zipfile.ZipInfo(f"{RECIPE_KEY}.npy", EPOCH), buffer.getvalue())
