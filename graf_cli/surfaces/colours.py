"""Colours of vertices: those that, spread over triangles, look most like the exact pictures.

The colour of a field depends on the side it is seen from and is blurred over a step of depth, so
that the colour at a vertex is not what a picture shows there. Each pixel p that meets a triangle
says ``Σ_k b_pk c_k = rgb_p``, with b its barycentric coordinates; least squares over all pixels,
held a little to the colour that is seen along the normal, for vertices that nobody sees, and to
the mean of their neighbours.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from graf_cli.surfaces.libraries import require
from graf_cli.surfaces.refine import Sparse, neighbours
from graf_cli.surfaces.shapes import Indices
from graf_cli.surfaces.source import Source
from graf_cli.surfaces.views import views

Doubles = NDArray[np.float64]
HELD = 0.3  # weight of the colour along the normal, in pixels; with 0.02 a mesh loses 0.1 dB
EVEN = (
    1.0  # of a vertex being as its neighbours; without it colours are speckled and 0.1 dB are lost
)
ROUNDS = 40  # of conjugate gradients; then the fit changes by less than a step of 8 bits


def fitted(
    source: Source, vertices: Doubles, faces: Indices, normals: Doubles, *, size: int
) -> Doubles:
    """Colours of vertices, sRGB, shape = (n, 3), by pictures of `size` pixels along a side."""
    sparse = require("scipy.sparse")
    start = along_normals(source, vertices, normals)
    rows, columns, numbers, seen = [], [], [], []
    count = 0
    for view in views(source, vertices, faces, size=size):
        met = view.seen
        rows.append(np.repeat(count + np.arange(len(met.pixel)), 3))
        columns.append(faces[met.face].ravel())
        numbers.append(met.weights.ravel())
        seen.append(view.rgb)
        count += len(met.pixel)
    matrix = sparse.coo_array(
        (np.concatenate(numbers), (np.concatenate(rows), np.concatenate(columns))),
        (count, len(vertices)),
    ).tocsr()
    uneven = sparse.eye_array(len(vertices)) - neighbours(faces, len(vertices))
    matrix = sparse.vstack([matrix, np.sqrt(EVEN) * uneven]).tocsr()
    wanted = np.concatenate([*seen, np.zeros((len(vertices), 3))])
    return least_squares(matrix, wanted, start, HELD).clip(0, 1)


def along_normals(source: Source, points: Doubles, normals: Doubles) -> Doubles:
    """What is seen of points along their normals, shape = (n, 3), without what lies before them.

    Of features that a 2-D stage makes colours of, those that were integrated.
    """
    field, raw = source.field, source.scene.raw
    both = torch.as_tensor(
        np.concatenate([points, -normals], axis=1), device="cpu", dtype=torch.float32
    ).to(device=field.device)

    def run(some: torch.Tensor) -> torch.Tensor:
        features, _ = field.volume.density(some[:, :3].contiguous())
        seen = field.volume.radiance(features, field.volume.per_ray(some[:, 3:].contiguous()))
        return seen[:, :3] if raw is None else raw(seen.T[..., None])[..., 0].T

    return field.ask(run, both).to(device="cpu", dtype=torch.float64).numpy()


def least_squares(
    matrix: Sparse, wanted: Doubles, start: Doubles, held: float | Doubles
) -> Doubles:
    """``argmin |A c − b|² + held |c − c₀|²`` by conjugate gradients, for each of k columns.

    Parameters
    ----------
    matrix : sparse array, shape = (pixels, n)
        A.
    wanted : ndarray, shape = (pixels, k)
    start : ndarray, shape = (n, k)
        c₀.
    held : float, or ndarray of shape (n, 1)
    """
    a = matrix
    x = start.copy()
    residual = a.T @ (wanted - a @ x)
    direction, size = residual.copy(), (residual**2).sum(axis=0)
    for _ in range(ROUNDS):
        bent = a.T @ (a @ direction) + held * direction
        step = size / np.maximum((direction * bent).sum(axis=0), 1e-30)
        x += step * direction
        residual -= step * bent
        fresh = (residual**2).sum(axis=0)
        direction = residual + direction * (fresh / np.maximum(size, 1e-30))
        size = fresh
    return x
