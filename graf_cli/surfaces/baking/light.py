"""Which points of an object are seen, and from where."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.surfaces.baking.lattice import Lattice

CELLS = 56  # cells along each axis of the cube that light is sent through
TOGETHER = 4  # directions; the library shares them among threads
HIDDEN = 1e-2  # transmittance below which nothing shows
BETWEEN = 0.966  # cosine of half the angle between two of the cameras that are looked from


def asked_for(towards: Tensor, cameras: Tensor, aside: float) -> Tensor:
    """Which directions, shape = (m, 3), rays of the model's own cameras go along, or nearly.

    All of them unit vectors from the object. Rays go up to an angle aside, of that cosine.
    """
    near: Tensor = (towards @ cameras.T).amax(dim=1) > min(aside, BETWEEN)
    return near


class Light:
    """Transmittance out of an object along some directions.

    Parameters
    ----------
    sigma : Tensor
        Density per world unit at the points of the lattice, of its shape.
    lattice : Lattice
    directions : Tensor, shape = (m, 3)
        Unit directions of view, towards the object.
    asked : Tensor, shape = (n,)
        Which of them.
    step : float
        Between the samples of a picture, world units: the first sample behind a surface is seen
        however deep it is.
    """

    def __init__(
        self, sigma: Tensor, lattice: Lattice, directions: Tensor, asked: Tensor, step: float
    ) -> None:
        self.asked = asked
        self.centre, extent = (lattice.low + lattice.high) / 2, (lattice.high - lattice.low) / 2
        self.radius = float(extent.norm())
        self.cell = 2 * self.radius / CELLS
        # A point does not stand in its own light, nor in that of the sample that it belongs to.
        ahead = (0.0, 0.0, max(step / 2, self.cell))
        self.ahead = torch.tensor(ahead, device=sigma.device, dtype=sigma.dtype)
        self.turns = torch.stack(
            [_frame(axis) for axis in -directions[asked]]
        )  # rows are a cube's axes
        along = (torch.arange(CELLS, device=sigma.device, dtype=sigma.dtype) + 0.5) / CELLS * 2 - 1
        w, v, u = torch.meshgrid(along, along, along, indexing="ij")
        cube = torch.stack((u, v, w), dim=-1).reshape(-1, 3) * self.radius
        self.depths = []
        for turns in torch.split(self.turns, TOGETHER):
            several = sigma[None].expand(len(turns), *sigma.shape)
            seen = _sampled(several, cube @ turns / extent, "zeros").view(-1, CELLS, CELLS, CELLS)
            # Optical depth from each cell on, half of its own included.
            self.depths.append((seen.flip(1).cumsum(dim=1).flip(1) - seen / 2) * self.cell)

    def at(self, points: Tensor) -> Tensor:
        """Transmittance from world points, shape = (k, 3): shape = (k, n)."""
        found = []
        for turns, depth in zip(torch.split(self.turns, TOGETHER), self.depths, strict=True):
            asked = ((points - self.centre) @ turns.mT + self.ahead) / self.radius
            found.append(torch.exp(-_sampled(depth, asked, "border")).T)
        return torch.cat(found, dim=1)


def _frame(axis: Tensor) -> Tensor:
    """Rows are unit axes, the last one along `axis`."""
    other = torch.zeros_like(axis)
    other[int(axis.abs().argmin())] = 1
    x = functional.normalize(torch.linalg.cross(other, axis), dim=0)
    return torch.stack((x, torch.linalg.cross(axis, x), axis))


def _sampled(grids: Tensor, at: Tensor, beyond: str) -> Tensor:
    """Values of m grids over [−1, 1]³ at places, shape = (m, k, 3): shape = (m, k)."""
    found: Tensor = functional.grid_sample(
        grids[:, None], at[:, None, None], mode="bilinear", padding_mode=beyond,
        align_corners=False,
    )  # fmt: skip
    return found.flatten(1)


def corners_of_shown(values: Tensor, floor: float) -> Tensor:
    """Points that what is above the floor is interpolated from; both of a lattice's shape."""
    above = (values > floor).float()[None, None]
    # Between eight points something shows when it does at one of them; all eight then count.
    between = functional.max_pool3d(functional.pad(above, (1,) * 6), 2, 1)
    return functional.max_pool3d(between, 2, 1)[0, 0] > 0
