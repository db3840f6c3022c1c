"""Densities at the nodes of a lattice, where a surface may be; elsewhere what lies between others.

A network is asked a million times for every cubic hundred of nodes, and nearly all of them are far
from the surface. So the lattice is made coarse to fine: a cell whose corners, and theirs around,
lie well on one side of the level is not divided; its nodes are interpolated and so lie on that
side, too. Only the finest nodes are many: they are made a slab at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.surfaces.box import axis
from graf_cli.surfaces.field import Field
from graf_cli.surfaces.shapes import Box

COARSEST = 24  # cells along the longest side at least, before any is divided
# Of the spread of densities around a cell, by which they have to stay clear of the level. A plate
# a quarter of a coarsest cell thick is then found but for 6 of 31,000 nodes; with half of it, 72.
MARGIN = 0.5
# The same of the last division, of cells as fine as what is looked for; with 0.15 toy cars still
# come out as with 0.5.
LAST_MARGIN = 0.25
LAYERS = 16  # of coarsest nodes that are asked at once
SLAB_NODES = 1 << 22  # finest nodes that are held at once
NUDGE = 1e-3  # of the level: no node is nearer to it, so that no triangle is without area


@dataclass(frozen=True)
class Lattice:
    """Cubic cells over a box.

    Attributes
    ----------
    box : Box
    cells : tuple of 3 ints
        Along each axis; multiples of `stride`.
    side : float
        Of a cell, world units.
    stride : int
        Cells along a side of a coarsest one; a power of 2.
    """

    box: Box
    cells: tuple[int, int, int]
    side: float
    stride: int

    def axis(self, k: int, stride: int, device: torch.device) -> Tensor:
        """Coordinates of every `stride`-th node along an axis, shape = (cells / stride + 1,)."""
        return axis(self.box, k, self.cells[k] + 1, device)[::stride]


def lattice_over(box: Box, resolution: int) -> Lattice:
    """So many cells along the longest side of a box, which grows a little to hold whole ones."""
    side = max(box.sides) / resolution
    stride = 1 << max(int(math.log2(resolution / COARSEST)), 0) if resolution >= COARSEST else 1
    wanted = [max(math.ceil(length / side - 1e-6), 1) for length in box.sides]
    nx, ny, nz = (-(-count // stride) * stride for count in wanted)
    low, high = [], []
    for count, start, end in zip((nx, ny, nz), box.low, box.high, strict=True):
        middle, half = (start + end) / 2, count * side / 2
        low.append(middle - half)
        high.append(middle + half)
    (x0, y0, z0), (x1, y1, z1) = low, high
    return Lattice(Box((x0, y0, z0), (x1, y1, z1)), (nx, ny, nz), side, stride)


@dataclass(frozen=True, eq=False)
class Slab:
    """Some layers of finest nodes.

    Attributes
    ----------
    first : int
        Which layer along x the first one is.
    raw : Tensor, shape = (layers, ny + 1, nz + 1)
        Raw densities, exact near the level.
    """

    first: int
    raw: Tensor


def slabs(field: Field, lattice: Lattice, level: float) -> Iterator[Slab]:
    """The finest nodes, from layer to layer along x; slabs share a layer with their neighbours.

    Parameters
    ----------
    field : Field
    lattice : Lattice
    level : float
        Raw density of the surface.
    """
    values = exact(field, lattice, lattice.stride)
    stride = lattice.stride
    while stride > 2:
        values = divided(field, lattice, values, stride, level)
        stride //= 2
    if stride == 1:
        yield Slab(0, _nudged(values, level))
        return
    passed = active(values, level, share=LAST_MARGIN)
    layer = (lattice.cells[1] + 1) * (lattice.cells[2] + 1)
    thick = max(SLAB_NODES // layer // 2, 1)  # coarse layers
    for first in range(0, len(passed), thick):
        last = min(first + thick, len(passed))
        yield Slab(2 * first, _finest(field, lattice, values, passed, first, last, level))


def exact(field: Field, lattice: Lattice, stride: int, *, scouting: bool = False) -> Tensor:
    """Raw density at every `stride`-th node, shape = (nx, ny, nz) of these."""
    axes = [lattice.axis(k, stride, field.device) for k in range(3)]
    made = [
        field.density(torch.cartesian_prod(x, *axes[1:]), scouting=scouting)
        for x in torch.split(axes[0], LAYERS)
    ]
    return torch.cat(made).view(*map(len, axes))


def active(values: Tensor, level: float, top: float | None = None, share: float = MARGIN) -> Tensor:
    """Cells that the level, or one from there to `top`, may pass through.

    Of the shape of the cells between the nodes, (nx − 1, ny − 1, nz − 1), bool.
    """
    volume = values[None, None]
    highest = functional.max_pool3d(volume, 2, stride=1)[0, 0]
    lowest = -functional.max_pool3d(-volume, 2, stride=1)[0, 0]
    around = functional.pad(volume, (1,) * 6, mode="replicate")
    spread = functional.max_pool3d(around, 4, stride=1) + functional.max_pool3d(
        -around, 4, stride=1
    )
    margin = share * spread[0, 0]
    return (highest + margin >= level) & (lowest - margin <= (level if top is None else top))


def _between(values: Tensor) -> Tensor:
    """Twice as many cells along each axis, nodes between others being their means."""
    for k in range(3):
        n = values.shape[k]
        ahead, behind = values.narrow(k, 1, n - 1), values.narrow(k, 0, n - 1)
        shape = [*values.shape]
        shape[k] = 2 * n - 1
        finer = values.new_empty(shape)
        index: list[slice] = [slice(None)] * 3
        index[k] = slice(0, None, 2)
        finer[tuple(index)] = values
        index[k] = slice(1, None, 2)
        finer[tuple(index)] = (ahead + behind) / 2
        values = finer
    return values


def _nodes(some: Tensor) -> Tensor:
    """Nodes, twice as fine, of some cells: shape = (2 nx + 1, 2 ny + 1, 2 nz + 1), bool."""
    cells = some.to(torch.float32)[None, None]
    fine = functional.interpolate(cells, scale_factor=2.0, mode="nearest")
    padded = functional.pad(fine, (1,) * 6)
    nodes: Tensor = functional.max_pool3d(padded, 2, stride=1)[0, 0] > 0
    return nodes


def divided(  # noqa: PLR0917 - a lattice and a range
    field: Field, lattice: Lattice, values: Tensor, stride: int, level: float,
    top: float | None = None, *, scouting: bool = False,
) -> Tensor:  # fmt: skip
    """Nodes at half the stride, exact in cells that a level from `level` to `top` may pass through.

    Where the level turns out to leave those cells, the cells that it enters are divided, too.
    """
    passed, finer = active(values, level, top), _between(values)
    known = torch.zeros_like(finer, dtype=torch.bool)
    known[::2, ::2, ::2] = True
    while True:
        wanted = _nodes(passed) & ~known
        _fill(field, lattice, finer, wanted, stride // 2, scouting=scouting)
        known |= wanted
        volume = finer[None, None]
        mixed = (functional.max_pool3d(volume, 2, stride=1) >= level) & (
            -functional.max_pool3d(-volume, 2, stride=1) < (level if top is None else top)
        )
        entered = functional.max_pool3d(mixed.to(torch.float32), 2, stride=2)[0, 0] > 0
        if not bool((entered & ~passed).any()):
            return finer
        passed |= entered


def _fill(  # noqa: PLR0917 - nodes among nodes
    field: Field, lattice: Lattice, values: Tensor, wanted: Tensor, stride: int, first: int = 0,
    *, scouting: bool = False,
) -> None:  # fmt: skip
    """Put exact densities where they are wanted; layer 0 is node `first` of the stride's."""
    at = wanted.nonzero()
    axes = [lattice.axis(k, stride, field.device) for k in range(3)]
    points = torch.stack(
        [coordinates[at[:, k] + (first if k == 0 else 0)] for k, coordinates in enumerate(axes)],
        dim=-1,
    )
    values[wanted] = field.density(points, scouting=scouting)


def _finest(  # noqa: PLR0917 - layers of nodes
    field: Field, lattice: Lattice, values: Tensor, passed: Tensor, first: int, last: int,
    level: float,
) -> Tensor:  # fmt: skip
    """Nodes of the coarse layers from `first` to `last`.

    What becomes of a node on the layer that two slabs share follows from the cells on both sides
    of it, so that it is the same in both.
    """
    finer = _between(values[first : last + 1])
    before, behind = max(first - 1, 0), min(last + 1, len(passed))
    nodes = _nodes(passed[before:behind])
    start = 2 * (first - before)
    wanted = nodes[start : start + len(finer)].clone()
    wanted[::2, ::2, ::2] = False
    _fill(field, lattice, finer, wanted, 1, first=2 * first)
    return _nudged(finer, level)


def _nudged(values: Tensor, level: float) -> Tensor:
    """With no node so near to the level that a triangle could lose its area."""
    least = NUDGE * max(abs(level), 1.0)
    away = values - level
    moved = torch.where(away >= 0, away.clamp(min=least), away.clamp(max=-least))
    return level + moved
