"""Raw density on a lattice, evaluated where something may show.

Letters: σ is raw density, ``step`` the length, world units, of the interval that a sample of a
picture stands for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.scene.volume import Quadrature
from graf_cli.surfaces.baking.lattice import Lattice, dilated
from graf_cli.surfaces.baking.space import Space
from graf_cli.surfaces.field import Field

PART = 1 << 16  # points between two words of progress
OPAQUE = 0.99  # what an interval of a picture takes away where more makes no difference
INVISIBLE = 1e-3  # of opacity, along a whole ray
SPREAD = 0.5  # of the values around a point, by which its cell may hold more than they say
MIDDLE = 64  # points along each axis of the lattice that finds the box
BELOW = 1 / 3  # of the scale, kept below the level: where between two points the surface lies

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Scale:
    """What raw densities mean in pictures.

    Attributes
    ----------
    floor : float
        Raw density below which nothing shows.
    ceiling : float
        From which an interval is opaque.
    step : float
    """

    floor: float
    ceiling: float
    step: float


def scale_of(quadrature: Quadrature, step: float, length: float) -> Scale:
    """The scale of a field, of the activation and the lengths of intervals and rays.

    ``1 − exp(−σ step)`` reaches `OPAQUE` at ``σ = −ln(1 − OPAQUE) / step``. A softplus is never
    nothing; below ``ln(INVISIBLE / length)`` a whole ray of it does not show.
    """
    ceiling = -math.log(1 - OPAQUE) / step
    if quadrature.activation == "relu":
        return Scale(0.0, ceiling, step)
    shift = 1.0 if quadrature.activation == "softplus-1" else 0.0
    # softplus(σ) = d is σ = ln(e^d − 1), which is d itself where d is large.
    raw = ceiling if ceiling > 20 else math.log(math.expm1(ceiling))
    return Scale(math.log(INVISIBLE / length) + shift, raw + shift, step)


def densities(
    field: Field, lattice: Lattice, index: Tensor, tell: Progress, *, scouting: bool = False
) -> Tensor:
    """Raw densities at flat indices; what is no number is as opaque as can be."""
    found = torch.empty(len(index), device=index.device, dtype=torch.float32)
    for start in range(0, len(index), PART):
        some = slice(start, start + PART)
        found[some] = field.density(lattice.points(index[some]), scouting=scouting)
        tell(min(start + PART, len(index)) / len(index))
    return found.nan_to_num(nan=torch.inf)


def coarse(field: Field, space: Space, floor: float, tell: Progress) -> tuple[Lattice, Tensor]:
    """A lattice over all of space, and where something may be."""
    lattice = space.lattice
    index = space.cells.flatten().nonzero()[:, 0]
    value = torch.full(lattice.shape, -torch.inf, device=index.device, dtype=torch.float32)
    value.view(-1)[index] = densities(field, lattice, index, tell, scouting=True)
    return lattice, _near(value, space.cells, floor)


def _near(value: Tensor, known: Tensor, floor: float) -> Tensor:
    """Points of which a cell around may hold something.

    The highest value of a point and its 26 neighbours is above the floor, or below it by less
    than a share of their spread.
    """
    high = torch.where(known, value, -torch.inf)[None, None]
    low = torch.where(known, value, torch.inf)[None, None]
    highest = functional.max_pool3d(high, 3, 1, 1)[0, 0]
    lowest = -functional.max_pool3d(-low, 3, 1, 1)[0, 0]
    near: Tensor = known & (highest > floor - SPREAD * (highest - lowest).clamp(max=1e30))
    return near


def evaluated(
    field: Field, lattice: Lattice, wanted: Tensor, floor: float, tell: Progress,
    *, hidden: Tensor | None = None, scouting: bool = False,
) -> Tensor:  # fmt: skip
    """Raw densities where they are wanted, −inf elsewhere; of the lattice's shape.

    Where the object reaches the border of what was wanted, its neighbours are evaluated as well,
    but those `hidden`, so that a part that a coarser lattice missed is followed to its end.
    """
    value = torch.full(lattice.shape, -torch.inf, device=wanted.device, dtype=torch.float32)
    known = torch.zeros_like(wanted) if hidden is None else hidden.clone()
    while bool((wanted & ~known).any()):
        index = (wanted & ~known).flatten().nonzero()[:, 0]
        value.view(-1)[index] = densities(field, lattice, index, tell, scouting=scouting)
        known |= wanted
        wanted = dilated(value > floor, 1) & ~known
    return value
