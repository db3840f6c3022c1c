"""The level set of a density as triangles: closed, counter-clockwise from outside."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graf_cli.surfaces.field import Field
from graf_cli.surfaces.lattice import Lattice, Slab, slabs
from graf_cli.surfaces.libraries import require
from graf_cli.surfaces.refine import BASE
from graf_cli.surfaces.shapes import Floats, Indices

FAR_BELOW = (
    1e6  # how far outside of the lattice lies below the level: the surface ends on its sides
)
CLOSE = 0.5  # of a step: nodes that are no farther apart tell of the gradient as well as others do
ON_PLANE = 1e-4  # of a cell, which rounding may take a vertex off the layer that it lies on

Doubles = NDArray[np.float64]


def triangles(
    field: Field, lattice: Lattice, level: float
) -> tuple[Doubles, Indices, Doubles | None]:
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
    slopes : ndarray, shape = (n, 3), or None
        Gradients of raw density at the vertices, per world unit, by differences of nodes; None
        where these are too far apart for that, or not held all at once.
    """
    vertices: list[Floats] = []
    faces: list[Indices] = []
    slopes: Doubles | None = None
    seam: dict[bytes, int] = {}
    count = 0
    for slab in slabs(field, lattice, level):
        padded = _padded(slab, lattice, level)
        found, triangle = _marched(padded, level)
        if len(slab.raw) == lattice.cells[0] + 1 and lattice.side <= CLOSE * field.step:
            slopes = _slopes(slab.raw, found - 1, reach_of(field, lattice)) / lattice.side
        last = len(padded.raw) - 1 + padded.first
        index, fresh, seam = _welded(found, seam, count, padded.first, last)
        vertices.append(found[fresh])
        faces.append(index[triangle].astype(np.int32))
        count += int(fresh.sum())
    origin = np.array(lattice.box.low)
    joined = np.concatenate(vertices).astype(np.float64)
    return (joined - 1) * lattice.side + origin, np.concatenate(faces), slopes


def reach_of(field: Field, lattice: Lattice) -> int:
    """Cells to either side over which differences are taken, as nearly `BASE` steps as may be."""
    return max(round(BASE * field.step / lattice.side), 1)


def _slopes(raw: Tensor, places: Floats, reach: int) -> Doubles:
    """Gradients, per cell, at places on edges between nodes, by differences at both of their ends.

    On the sides of the lattice, where there is no node beyond, to one side alone.
    """
    at = torch.as_tensor(places, device="cpu", dtype=torch.float32).to(device=raw.device)
    end = torch.tensor(raw.shape, device=raw.device, dtype=torch.int64) - 1
    low = torch.minimum(at.floor().long().clamp(min=0), end)
    high = torch.minimum(at.ceil().long().clamp(min=0), end)
    share = (at - low).amax(dim=1, keepdim=True).clamp(0, 1)
    ahead, behind = (_differences(raw, nodes, end, reach) for nodes in (high, low))
    made = behind + share * (ahead - behind)
    return made.to(device="cpu", dtype=torch.float64).numpy()


def _differences(raw: Tensor, nodes: Tensor, end: Tensor, reach: int) -> Tensor:
    """Of nodes, shape = (n, 3), along each axis, per cell."""
    made = []
    for k in range(3):
        ahead, behind = nodes.clone(), nodes.clone()
        ahead[:, k] = (nodes[:, k] + reach).clamp(max=int(end[k]))
        behind[:, k] = (nodes[:, k] - reach).clamp(min=0)
        rise = raw[ahead.unbind(dim=1)] - raw[behind.unbind(dim=1)]
        made.append(rise / (ahead[:, k] - behind[:, k]))
    return torch.stack(made, dim=1)


def _padded(slab: Slab, lattice: Lattice, level: float) -> Slab:
    """With a layer of nothing around all of them; node 0 becomes node 1."""
    from torch.nn import functional  # noqa: PLC0415 - beside its only use

    below, last = level - FAR_BELOW, lattice.cells[0]
    ends = (int(slab.first == 0), int(slab.first + len(slab.raw) - 1 == last))
    raw = functional.pad(slab.raw, (1, 1, 1, 1, *ends), value=below)
    return Slab(slab.first + 1 - ends[0], raw)


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
