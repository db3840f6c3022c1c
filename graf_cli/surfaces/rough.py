"""A first look at an object, on a coarse lattice: where it is, and where its surface may pass.

All that is to be known is on which side of a level a place is, so that only those cells are divided
that the level may pass through; see `graf_cli.surfaces.lattice`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.errors import SurfaceError
from graf_cli.surfaces.field import Field
from graf_cli.surfaces.lattice import Lattice, active, divided, exact
from graf_cli.surfaces.shapes import Box

# Along each side; half as many at first, which finds plates of a quarter of these cells. As many
# that were all asked found those of one cell, and took four times as long.
CELLS = 48
TOLD = 0.01  # share of light below which an object is told to stop none


@dataclass(frozen=True, eq=False)
class Rough:
    """What is known of a box.

    Attributes
    ----------
    box : Box
    raw : Tensor, shape = (CELLS + 1,) * 3
        Raw densities at nodes, which lie on the right side of the levels that were asked about.
    unclear : Tensor, shape = (CELLS,) * 3, bool
        Cells that one of these may pass through.
    """

    box: Box
    raw: Tensor
    unclear: Tensor

    def at(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Raw density between nodes, and whether that is not to be trusted, shape = (n,) each."""
        low, high = (
            torch.tensor(end, device=points.device, dtype=points.dtype)
            for end in (self.box.low, self.box.high)
        )
        place = ((points - low) / (high - low)).clamp(0, 1) * CELLS
        cell = place.long().clamp(max=CELLS - 1)
        share = place - cell
        number = (cell[:, 0] * (CELLS + 1) + cell[:, 1]) * (CELLS + 1) + cell[:, 2]
        raw, found = self.raw.flatten(), torch.zeros_like(share[:, 0])
        for corner in range(8):
            ways = [corner >> k & 1 for k in range(3)]
            weight = torch.ones_like(found)
            for k, way in enumerate(ways):
                weight = weight * (share[:, k] if way else 1 - share[:, k])
            step = (ways[0] * (CELLS + 1) + ways[1]) * (CELLS + 1) + ways[2]
            found += weight * raw[number + step]
        x, y, z = cell.unbind(dim=1)
        return found, self.unclear[x, y, z]


def looked(field: Field, outer: Box, level: float, top: float) -> Rough:
    """A box, with regard to the densities, per world unit, from `level` to `top`."""
    lattice = Lattice(outer, (CELLS, CELLS, CELLS), max(outer.sides) / CELLS, 2)
    ends = field.raw(level), field.raw(top)
    raw = divided(field, lattice, exact(field, lattice, 2, scouting=True), 2, *ends, scouting=True)
    return Rough(outer, raw, active(raw, *ends))


def around(
    field: Field, level: float, outer: Box, *, whole: bool = False, rough: Rough | None = None
) -> Box:
    """The part of a box where density reaches a level, and a cell more on each side.

    With `whole`, all of the box is as good an answer as any. `rough` is what `looked` found there,
    of a range that the level is in.

    Raises
    ------
    SurfaceError
        When it does so nowhere, or everywhere.
    """
    raw = (rough or looked(field, outer, level, level)).raw
    inside = raw >= field.raw(level)
    if not (whole and bool(inside.all())):
        check(field, raw, level)
    found = inside.nonzero()
    first, last = found.amin(dim=0) - 1, found.amax(dim=0) + 1
    cell = torch.tensor(outer.sides, device="cpu", dtype=torch.float64) / CELLS
    low = torch.tensor(outer.low, device="cpu", dtype=torch.float64)
    corners = [low + end.to(device="cpu").clamp(0, CELLS) * cell for end in (first, last)]
    (x0, y0, z0), (x1, y1, z1) = (corner.tolist() for corner in corners)
    return Box((x0, y0, z0), (x1, y1, z1))


def check(field: Field, raw: Tensor, level: float) -> None:
    """Refuse a field that has no surface at a level.

    Raises
    ------
    SurfaceError
        Saying why, and what is there instead.
    """
    above = raw >= field.raw(level)
    if not bool(above.any()):
        densest = float(field.activated(raw.amax().reshape(1)))
        stops = -math.expm1(-densest * field.step)
        told = f"{stops:.0%} of the light" if stops > TOLD else "nearly no light"
        raise SurfaceError(
            f"This object has no surface at a density of {level:.4g}: it has {densest:.4g} where "
            f"it is densest, of which one step of the renderer stops {told}; give a ⟨level⟩ below "
            "that, or export its densities as .npz."
        )
    if bool(above.all()):
        raise SurfaceError(
            f"This object has no surface at a density of {level:.4g}: it fills the whole box that "
            "cameras see with more; give a higher ⟨level⟩, or export its densities as .npz."
        )
