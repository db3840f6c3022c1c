"""A grid of densities becomes `.npz`."""

from __future__ import annotations

import zipfile
from pathlib import Path

import msgspec
import numpy as np

from graf_cli.output.encode.arrays import EPOCH, UNITS_KEY, add_stamp, add_text
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.surfaces.shapes import DensityGrid

UNITS = {
    "density": "per world unit, at the nodes x y z of a lattice; the outermost lie on the box",
    "box": "corners, world units, z up: lowest x y z, highest x y z",
    "level": "the density of the surface: ln 2 / step, unless another one was asked for",
    "step": "between two samples of the renderer, world units",
}


def write(path: Path, made: DensityGrid, stamp: Stamp | None) -> None:
    """`density` (nx, ny, nz), `box` (2, 3), `level`, `step`, as float32 and float64."""
    arrays = {
        "density": np.ascontiguousarray(made.density, dtype="<f4"),
        "box": np.array((made.box.low, made.box.high), dtype="<f8"),
        "level": np.array(made.level, dtype="<f8"),
        "step": np.array(made.step, dtype="<f8"),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
        add_text(archive, UNITS_KEY, msgspec.json.encode(UNITS).decode())
        if stamp:
            add_stamp(archive, stamp)
