"""An object as Gaussian splats: one flat one a vertex of its mesh, painted by exact pictures.

A Gaussian reaches beyond its middle, so that splats on the surface make an object fat; they are set
in by as much as they reach out. Their colours are those that, composited as a viewer does it, look
most like what cameras see: each pixel p says ``Σ_s w_ps (½ + Σ_j c_sj Y_j(d_s)) = rgb_p Σ_s w_ps``,
with w the weights of compositing and Y the spherical harmonics.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graf_cli.rendering.threads import each, workers
from graf_cli.scene.camera import Camera
from graf_cli.surfaces import mesh
from graf_cli.surfaces.colours import along_normals, least_squares
from graf_cli.surfaces.harmonics import C0, basis, count_of
from graf_cli.surfaces.libraries import require
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.refine import Sparse
from graf_cli.surfaces.shapes import Splats
from graf_cli.surfaces.source import Source
from graf_cli.surfaces.splatting import toward, weights
from graf_cli.surfaces.views import VIEWS, views

Doubles = NDArray[np.float64]
WIDE, THIN = 0.45, 0.1  # of a cell: standard deviations along the surface and through it
INSET = 0.5  # of a cell; with 0.45 silhouettes are 0.8 % too large, with 0.6 0.6 % too small
OPACITY = 0.95
PIXELS = 1.5  # of the pictures that colours are fitted to, along a side, a cell
# Weight, in pixels, of the colour along the normal; and of no change with the view, a degree each:
# what 24 pictures do not tell is not made up.
HELD, VIEW_HELD = 0.02, 0.2
MORE_VIEWS = 2  # times as many pictures where colours depend on the view


def extract(source: Source, options: Export) -> Splats:
    """Splats of all that there is.

    Raises
    ------
    SurfaceError
        When there is no surface.
    """
    density, lattice = mesh.where(source, options)
    vertices, faces, normals = mesh.surface(source, options, density, lattice)
    cell = lattice.side
    start = along_normals(source, vertices, normals)
    made = _laid(vertices, normals, cell, count_of(options.sh))
    made.harmonics[:, 0] = (start - 0.5) / C0
    harmonics = _fitted(source, made, vertices, faces, options)
    return replace(made, harmonics=harmonics.astype(np.float32))


def _laid(vertices: Doubles, normals: Doubles, cell: float, functions: int) -> Splats:
    """Flat Gaussians on the surface, without colours."""
    count = len(vertices)
    scales = np.tile(np.array([WIDE, WIDE, THIN]) * cell, (count, 1)).astype(np.float32)
    return Splats(
        positions=(vertices - INSET * cell * normals).astype(np.float32),
        scales=scales,
        rotations=from_z(normals).astype(np.float32),
        opacities=np.full(count, OPACITY, np.float32),
        harmonics=np.zeros((count, functions, 3), np.float32),
    )


def from_z(normals: Doubles) -> Doubles:
    """Unit quaternions w x y z, shape = (n, 4), that turn the z axis to unit vectors.

    The shortest way: ``(1 + z·n, z × n)``, brought to length one; half a turn about x where n = −z.
    """
    w = 1 + normals[:, 2]
    quaternions = np.stack([w, -normals[:, 1], normals[:, 0], np.zeros(len(w))], axis=1)
    quaternions[w < 1e-9] = (0.0, 1.0, 0.0, 0.0)
    return np.asarray(quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True))


def _fitted(
    source: Source, made: Splats, vertices: Doubles, faces: NDArray[np.int32], options: Export
) -> Doubles:
    """Coefficients, shape = (n, functions, 3), by least squares over what cameras see."""
    sparse = require("scipy.sparse")
    functions, count = count_of(options.sh), len(made.positions)
    size = int(PIXELS * options.resolution)
    several = VIEWS * (MORE_VIEWS if options.sh else 1)
    found = list(views(source, vertices, faces, size=size, count=several))
    matrices = each(
        lambda view: _matrix(made, view.camera, options.sh, sparse)[view.seen.pixel],
        found,
        workers(torch.device("cpu")),
    )
    ones = _opacity_of(count, functions)
    wanted = [
        (view.rgb - 0.5) * (matrix @ ones)[:, None]
        for view, matrix in zip(found, matrices, strict=True)
    ]
    held = np.full((count, functions), VIEW_HELD)
    held[:, 0] = HELD
    start = made.harmonics.reshape(count * functions, 3).astype(np.float64)
    fitted = least_squares(
        sparse.vstack(matrices).tocsr(), np.concatenate(wanted), start, held.reshape(-1, 1)
    )
    return fitted.reshape(count, functions, 3)


def _matrix(made: Splats, camera: Camera, degree: int, sparse: Any) -> Sparse:
    """``w_ps Y_j(d_s)``, shape = (H·W, n · functions), sparse."""
    found, functions = weights(made, camera), count_of(degree)
    values = basis(toward(made, camera), degree)[found.splat]
    columns = found.splat[:, None] * functions + np.arange(functions)
    rows = np.repeat(found.pixel, functions)
    shape = (camera.width * camera.height, len(made.positions) * functions)
    entries = (found.weight[:, None] * values).ravel()
    return sparse.coo_array((entries, (rows, columns.ravel())), shape).tocsr()


def _opacity_of(count: int, functions: int) -> Doubles:
    """Coefficients of 1 everywhere, by which the matrix gives the sum of weights."""
    ones = np.zeros((count, functions))
    ones[:, 0] = 1 / C0
    return ones.ravel()
