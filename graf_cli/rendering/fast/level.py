"""A cubic lattice of densities that is evaluated where it is asked."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Density = Callable[[Tensor], Tensor]  # points, shape = (m, 3), to raw density, shape = (m,)

MUCH = 64  # times as many cells in a range as in a list of them make sorting the list cheaper


class Level:
    """Raw densities at the centres of a cubic lattice, evaluated when first asked for.

    They are kept as bfloat16: its range is that of float32, and its steps are smaller than what
    the densities of neighbouring cells are judged by.

    The lattice has a margin of `margin` cells on each side, so that every cell inside has all
    its neighbours.
    """

    def __init__(self, side: int, size: float, margin: int, device: torch.device) -> None:
        self.side, self.size, self.margin = side + 2 * margin, size, margin
        self.device = device
        # What is not known yet is NaN.
        self.value = torch.full((self.side**3,), torch.nan, device=device, dtype=torch.bfloat16)
        step = torch.arange(-1, 2, device=device, dtype=torch.int64)
        corner = (step[:, None, None] * self.side + step[:, None]) * self.side + step
        self.around = corner.flatten()

    @property
    def bytes(self) -> int:
        """Held in memory."""
        return self.value.element_size() * len(self.value)

    def ensure(self, cells: Tensor, density: Density) -> int:
        """Evaluate those of the cells that are not known yet; how many those were."""
        new = distinct(cells[self.value[cells].isnan()])
        found = density(self.centres(new)).nan_to_num(nan=torch.inf, posinf=torch.inf)
        self.value[new] = found.to(self.value.dtype)
        return len(new)

    def complete(self, density: Density) -> int:
        """Evaluate all that is not known yet; how many cells that were."""
        return self.ensure(self.value.isnan().nonzero()[:, 0], density)

    def extremes(self) -> tuple[Tensor, Tensor]:
        """Highest and lowest density of each inner cell and its 26 neighbours, all being known.

        Returns
        -------
        tuple of two Tensors, shape = (side − 2,) * 3
        """
        volume = self.value.view(1, 1, self.side, self.side, self.side).to(torch.float32)
        highest = functional.max_pool3d(volume, 3, stride=1)[0, 0]
        return highest, -functional.max_pool3d(-volume, 3, stride=1)[0, 0]

    def index(self, cells: Tensor) -> Tensor:
        """Counted along each axis, shape = (n, 3)."""
        z = cells % self.side
        y = cells.div(self.side, rounding_mode="floor") % self.side
        x = cells.div(self.side**2, rounding_mode="floor")
        return torch.stack((x, y, z), dim=-1)

    def centres(self, cells: Tensor) -> Tensor:
        """World points, shape = (n, 3)."""
        return (self.index(cells).to(torch.float32) + (0.5 - self.side / 2)) * self.size

    def neighbours(self, cells: Tensor) -> Tensor:
        """The cells and the 26 around each, shape = (n, 27); the cells must be inside."""
        return cells[:, None] + self.around


def distinct(cells: Tensor) -> Tensor:
    """The cells of a list, shape = (n,), in ascending order, each once."""
    if not len(cells):
        return cells.to(torch.int64)
    low, high = torch.stack(cells.aminmax()).to(device="cpu").tolist()
    if high - low < MUCH * len(cells):
        wanted = torch.zeros(high - low + 1, device=cells.device, dtype=torch.bool)
        wanted[cells - low] = True
        some: Tensor = wanted.nonzero()[:, 0] + low
        return some
    order = cells.to(torch.int64).sort().values
    first = torch.ones_like(order, dtype=torch.bool)
    first[1:] = order[1:] != order[:-1]
    return order[first]
