"""The level set of a density as triangles: closed, counter-clockwise from outside."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from graf_cli.surfaces.field import Field
from graf_cli.surfaces.lattice import Lattice, Slab, slabs
from graf_cli.surfaces.libraries import require
from graf_cli.surfaces.shapes import Floats, Indices

FAR_BELOW = (
    1e6  # how far outside of the lattice lies below the level: the surface ends on its sides
)
ON_PLANE = 1e-4  # of a cell, which rounding may take a vertex off the layer that it lies on

Doubles = NDArray[np.float64]


def triangles(field: Field, lattice: Lattice, level: float) -> tuple[Doubles, Indices]:
    """Marching cubes (Lewiner et al. 2003), a slab at a time, welded where slabs meet.

    Parameters
    ----------
    field : Field
    lattice : Lattice
    level : float
        Raw density of the surface; more is inside.

    Returns
    -------
    vertices : ndarray, shape = (n, 3)
        World units.
    faces : ndarray, shape = (m, 3)
    """
    vertices: list[Floats] = []
    faces: list[Indices] = []
    seam: dict[bytes, int] = {}
    count = 0
    for slab in _padded(slabs(field, lattice, level), lattice, level):
        found, triangle = _marched(slab, level)
        last = len(slab.raw) - 1 + slab.first
        index, fresh, seam = _welded(found, seam, count, slab.first, last)
        vertices.append(found[fresh])
        faces.append(index[triangle].astype(np.int32))
        count += int(fresh.sum())
    origin = np.array(lattice.box.low)
    joined = np.concatenate(vertices).astype(np.float64)
    return (joined - 1) * lattice.side + origin, np.concatenate(faces)


def _padded(made: Iterator[Slab], lattice: Lattice, level: float) -> Iterator[Slab]:
    """With a layer of nothing around all of them; node 0 becomes node 1."""
    from torch.nn import functional  # noqa: PLC0415 - beside its only use

    below, last = level - FAR_BELOW, lattice.cells[0]
    for slab in made:
        ends = (int(slab.first == 0), int(slab.first + len(slab.raw) - 1 == last))
        raw = functional.pad(slab.raw, (1, 1, 1, 1, *ends), value=below)
        yield Slab(slab.first + 1 - ends[0], raw)


def _marched(slab: Slab, level: float) -> tuple[Floats, Indices]:
    """Vertices in cells of the padded lattice, and triangles, of one slab."""
    raw = slab.raw.to(device="cpu").numpy()
    if not raw.min() < level < raw.max():
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    measure = require("skimage.measure")
    # Raw density grows inwards; the other direction turns the surface inside out.
    vertices, faces, _, _ = measure.marching_cubes(raw, level, gradient_direction="ascent")
    vertices[:, 0] += slab.first
    return vertices.astype(np.float32), faces.astype(np.int32)


def _welded(
    found: Floats, seam: dict[bytes, int], count: int, first: int, last: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], dict[bytes, int]]:
    """Numbers of a slab's vertices among all, which of them are new, and those of the next seam.

    On a layer that two slabs share both have the same vertices, whose other coordinates agree to
    the last bit, since they are made of the same nodes.
    """
    index = np.full(len(found), -1, np.int64)
    for k in np.flatnonzero(np.abs(found[:, 0] - first) < ON_PLANE):
        index[k] = seam.get(found[k, 1:].tobytes(), -1)
    fresh = index < 0
    index[fresh] = count + np.arange(int(fresh.sum()))
    at_end = np.flatnonzero(np.abs(found[:, 0] - last) < ON_PLANE)
    return index, fresh, {found[k, 1:].tobytes(): int(index[k]) for k in at_end}
