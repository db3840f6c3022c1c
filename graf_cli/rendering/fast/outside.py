"""Samples of cells that may hold something, which lie well outside of it all the same.

A cell is judged with all around it, so that what is called occupied reaches five sides of a cell
beyond a flat surface: of toy cars, in a grid of 256³, 37 % of the samples evaluated had no density.
A sample is judged here by the eight centres of cells around it. Between them the density is
interpolated; it may be higher by the lattice's margin times what the eight are apart. Of cars and a
NeRF all that had a density was within 0.6 times that in 128³ and 0.23 in 256³, where the margin is
2; but within 4.5 in 64³, whose cells are larger than what the fields show, so that only fine ones
are interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.rendering.fast.level import Level
from graf_cli.scene.camera import Rays

FINE = 128  # cells along a side from which they are interpolated


@dataclass(frozen=True, eq=False)
class Outside:
    """Samples that need no look.

    Attributes
    ----------
    ray, sample : Tensor of int64, shape = (k,)
    density : Tensor, shape = (k,)
        Interpolated, below zero.
    """

    ray: Tensor
    sample: Tensor
    density: Tensor

    def __len__(self) -> int:
        return len(self.ray)


def points(rays: Rays, depth: Tensor, ray: Tensor) -> Tensor:
    """World points, shape = (n, 3), at depths along rays of those numbers, likewise."""
    along = [  # a number at a time: rows of three take three times as long
        of[:, axis].index_select(0, ray) for of in (rays.origins, rays.directions)
        for axis in range(3)
    ]  # fmt: skip
    return torch.stack([along[axis] + along[3 + axis] * depth for axis in range(3)], dim=-1)


def interpolated(level: Level, where: Tensor) -> tuple[Tensor, Tensor]:
    """Density between the centres of the cells, and what the eight around are apart.

    Parameters
    ----------
    level : Level
    where : Tensor, shape = (n, 3)
        World points.

    Returns
    -------
    tuple of two Tensors, shape = (n,)
        Not a number where one of the eight is not known.
    """
    along = where / level.size + (level.side / 2 - 0.5)
    base = along.floor().clamp_(0, level.side - 2)
    x, y, z = (along - base).unbind(-1)
    corner = base.to(torch.int64)
    first = (corner[:, 0] * level.side + corner[:, 1]) * level.side + corner[:, 2]
    lowest = highest = None
    planes = []
    for ahead in (0, level.side**2):
        rows = []
        for aside in (0, level.side):
            near, far = (
                level.value.index_select(0, first + (ahead + aside + up)).to(torch.float32)
                for up in (0, 1)
            )
            low, high = torch.minimum(near, far), torch.maximum(near, far)
            lowest = low if lowest is None else torch.minimum(lowest, low)
            highest = high if highest is None else torch.maximum(highest, high)
            rows.append(near + z * (far - near))
        planes.append(rows[0] + y * (rows[1] - rows[0]))
    assert lowest is not None
    assert highest is not None
    return planes[0] + x * (planes[1] - planes[0]), highest - lowest


def outside(level: Level, rays: Rays, z: Tensor, at: Tensor, margin: float) -> Outside:
    """Those of some samples that are well outside, but for the last ones of their rays.

    The last sample's interval is infinite, so that the smallest density is opaque there.

    Parameters
    ----------
    level : Level
    rays : Rays
    z : Tensor, shape = (rays, samples)
    at : Tensor of int64, shape = (n, 2)
        Numbers of a ray and of one of its samples.
    margin : float
        See above.
    """
    ray, sample = (numbers.contiguous() for numbers in at.unbind(-1))
    depth = z.flatten().index_select(0, ray * z.shape[1] + sample)
    density, apart = interpolated(level, points(rays, depth, ray))
    # What is not a number is not well outside.
    clear = (density + margin * apart < 0) & (sample != z.shape[1] - 1)
    chosen = clear.nonzero()[:, 0]
    return Outside(ray[chosen], sample[chosen], density[chosen])


def drawn(samples: Outside, count: int, seed: int) -> Outside:
    """Some of them, at random."""
    if len(samples) <= count:
        return samples
    source = torch.Generator(device="cpu").manual_seed(seed)
    some = torch.randint(
        len(samples), (count,), generator=source, device="cpu", dtype=torch.int64
    ).to(device=samples.ray.device)
    return Outside(samples.ray[some], samples.sample[some], samples.density[some])
