"""Points in a box, at equal distances.

Arrays over a lattice have the axes z, y, x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Lattice:
    """Points at the middles of the cubic cells of a box.

    Attributes
    ----------
    low : Tensor, shape = (3,)
        Lowest corner of the box, x y z, world units.
    pitch : float
        A cell's side, world units.
    counts : tuple of 3 ints
        Cells along x, y, z.
    """

    low: Tensor
    pitch: float
    counts: tuple[int, int, int]

    @classmethod
    def over(cls, low: Tensor, high: Tensor, n: int) -> Lattice:
        """Over a box, with n cells along its longest side."""
        extent = high - low
        pitch = float(extent.max()) / n
        x, y, z = (max(math.ceil(side / pitch - 1e-3), 1) for side in extent.tolist())
        counted = torch.tensor((x, y, z), device=low.device, dtype=low.dtype)
        return cls((low + high - counted * pitch) / 2, pitch, (x, y, z))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an array over it: cells along z, y, x."""
        return self.counts[2], self.counts[1], self.counts[0]

    @property
    def high(self) -> Tensor:
        """Highest corner of the box, shape = (3,)."""
        counted = torch.tensor(self.counts, device=self.low.device, dtype=self.low.dtype)
        return self.low + counted * self.pitch

    def points(self, index: Tensor) -> Tensor:
        """World points, shape = (k, 3), of flat indices."""
        x, y, _ = self.counts
        plane = index.div(x, rounding_mode="floor")
        counted = torch.stack(
            (index % x, plane % y, plane.div(y, rounding_mode="floor")), dim=-1
        ).to(self.low.dtype)
        return self.low + (counted + 0.5) * self.pitch

    def nearest(self, mask: Tensor, other: Lattice) -> Tensor:
        """A mask over `other` looked up at the points of this one."""
        places = []
        for axis in range(3):
            count, most = self.counts[axis], other.counts[axis]
            along = torch.arange(count, device=self.low.device, dtype=self.low.dtype)
            at = self.low[axis] + (along + 0.5) * self.pitch
            cell = ((at - other.low[axis]) / other.pitch).floor().long()
            places.append(cell.clamp(0, most - 1))
        x, y, z = places
        return mask[z[:, None, None], y[None, :, None], x[None, None, :]]

    def around(self, mask: Tensor, n: int) -> Lattice:
        """A lattice of n cells along the longest side of the box of a mask over this one."""
        low, high = self.low.clone(), self.high.clone()
        for axis, others in enumerate(((0, 1), (0, 2), (1, 2))):
            found = mask.any(dim=others[1]).any(dim=others[0]).nonzero()[:, 0]
            low[axis] = self.low[axis] + float(found[0]) * self.pitch
            high[axis] = self.low[axis] + float(found[-1] + 1) * self.pitch
        return Lattice.over(low, high, n)


def dilated(mask: Tensor, cells: int) -> Tensor:
    """A mask, shape = (d, h, w), grown by some cells in every direction."""
    wide = functional.max_pool3d(mask[None, None].float(), 2 * cells + 1, 1, cells)
    return wide[0, 0] > 0
