"""Gaussian splats become PLY in the layout of 3DGS, which viewers of splats open; z up.

`x y z`, `nx ny nz` (0, as theirs), `f_dc_*` and `f_rest_*` the coefficients of colour, channel by
channel, `opacity` as a logit, `scale_*` as logarithms, `rot_*` the quaternion w x y z.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graf_cli.output.encode.shapes.ply import write_table
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.surfaces.shapes import Splats


def write(path: Path, made: Splats, stamp: Stamp | None) -> None:
    """One vertex a splat, all floats."""
    columns: dict[str, NDArray[Any]] = dict(zip("xyz", made.positions.T, strict=True))
    nothing = np.zeros(len(made.positions), np.float32)
    columns |= dict.fromkeys(("nx", "ny", "nz"), nothing)
    constant, rest = made.harmonics[:, 0], made.harmonics[:, 1:]
    columns |= {f"f_dc_{k}": column for k, column in enumerate(constant.T)}
    by_channel = rest.transpose(0, 2, 1).reshape(len(nothing), -1)
    columns |= {f"f_rest_{k}": column for k, column in enumerate(by_channel.T)}
    opacity = made.opacities.astype(np.float64)
    columns["opacity"] = np.log(opacity / (1 - opacity)).astype(np.float32)
    columns |= {f"scale_{k}": column for k, column in enumerate(np.log(made.scales).T)}
    columns |= {f"rot_{k}": column for k, column in enumerate(made.rotations.T)}
    write_table(path, columns, stamp)
