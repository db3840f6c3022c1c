"""Where feature planes and their decoder make nothing that a picture shows.

The decoder's density is nowhere exactly zero, so that *empty* is what takes no more than `SHOWN` of
the light from a ray that crosses all of the box in it. A lattice of densities is looked into once;
that what lies between its points is empty as well is no theorem, so that points drawn at random
are asked, and the renderer holds rays of every picture against the exact integrator.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

CELLS = (
    64  # along a side of the box; of 128, eight times as long to look into, a third more is empty
)
LATTICE = CELLS**3  # points
REPAID = (
    4  # times as many samples as the lattice has points: from there it saves more than it takes
)
WORTH = 0.25  # of the box that is to be empty: below, looking up takes what it saves
SHOWN = 1e-5  # as the march's own bounds are
ASKED = 1 << 14  # points at random: a thousandth of them wrong is missed with a chance of 1e-7
NOTHING = -30.0  # raw density of what is left out, of which a ray keeps all but 1e-13

Densities = Callable[[Tensor], Tensor]  # of points, shape = (3, m)


def empty_below(box: float) -> float:
    """Raw density d for which ``softplus(d − 1)`` along the diagonal of the box is `SHOWN`."""
    return 1 + math.log(SHOWN / (math.sqrt(3) * box))


class Occupied:
    """Cells of the box that may hold something.

    Parameters
    ----------
    cells : Tensor of bool, shape = (n, n, n)
        x first.
    box : float
        Side of the cube around the origin.
    """

    def __init__(self, cells: Tensor, box: float) -> None:
        self.cells, self.box = cells, box
        self._flat, self._side = cells.flatten(), cells.shape[0]

    @property
    def empty(self) -> float:
        """The share of the box that is known to be empty."""
        return 1 - float(self.cells.to(torch.float32).mean())

    def __call__(self, points: Tensor) -> Tensor:
        """Whether points, shape = (3, m), may hold something; those outside of the box may."""
        at = (points * (self._side / self.box)).add_(self._side / 2)
        x, y, z = at.clamp(0, self._side - 1).to(torch.int64)
        found = self._flat[(x * self._side + y) * self._side + z]
        return found.logical_or_(((at < 0) | (at > self._side)).any(dim=0))


def occupied(
    densities: Densities, box: float, step: float, *, device: torch.device
) -> Occupied | None:
    """The cells of a field; None where too little of it is empty, or a point was found wrong.

    A cell counts as empty when the highest density of its middle and its 26 neighbours' stays below
    by as much as these differ. An interval's density is the mean of its ends' (the midpoint rule),
    so that an empty sample next to something shows all the same: what is less than a step away from
    an occupied cell is occupied.

    Parameters
    ----------
    densities : callable
        Raw ones.
    box : float
        Side of the cube around the origin.
    step : float
        The longest one between two samples of a ray.
    device : torch.device
    """
    middles = ((torch.arange(CELLS, device=device, dtype=torch.float32) + 0.5) / CELLS - 0.5) * box
    x, y, z = torch.meshgrid(middles, middles, middles, indexing="ij")
    density = densities(torch.stack((x, y, z)).flatten(1)).view(1, CELLS, CELLS, CELLS)
    highest, lowest = _highest(density), -_highest(-density)
    below = empty_below(box)
    filled = (highest + (highest - lowest) >= below).to(torch.float32)
    reach = math.ceil(step * CELLS / box)
    filled = functional.pad(filled, (reach,) * 6, value=1.0)  # what is outside is not known
    filled = functional.max_pool3d(filled, 2 * reach + 1, stride=1)
    found = Occupied(filled[0] > 0, box)
    if found.empty < WORTH or bool((densities(_within_empty(found)) >= below).any()):
        return None
    return found


def _highest(lattice: Tensor) -> Tensor:
    """Of each point and its 26 neighbours, shape = (1, n, n, n)."""
    return functional.max_pool3d(lattice, 3, stride=1, padding=1)


def _within_empty(found: Occupied) -> Tensor:
    """Points at random in empty cells, shape = (3, m); the same for the same cells."""
    device, side = found.cells.device, found.cells.shape[0]
    generator = torch.Generator(device="cpu").manual_seed(0)
    empty = (~found.cells).nonzero()
    which = torch.rand(ASKED, generator=generator, device="cpu", dtype=torch.float64)
    inner = torch.rand((3, ASKED), generator=generator, device="cpu", dtype=torch.float32)
    cell = empty[(which * len(empty)).to(device=device, dtype=torch.int64)].T
    return ((cell + inner.to(device=device)) / side - 0.5) * found.box
