"""From a latent code to factors: fixed random projections through the normal CDF."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from statistics import NormalDist

import torch
from torch import Tensor

SHAPE_SEED = 20_201
APPEARANCE_SEED = 20_202
DEFAULT_CODE_SIZE = 128


@dataclass(frozen=True)
class ShapeFactors:
    """What a shape code decides, every field in (0, 1) and of shape (B, 1)."""

    style: Tensor
    """Pick-up at 0, saloon at 1/3, hatchback at 2/3, van at 1."""
    length: Tensor
    """Short to long."""
    width: Tensor
    """Narrow to wide."""
    roof: Tensor
    """Low roof to high roof."""
    wheels: Tensor
    """Small wheels to big wheels."""
    lift: Tensor
    """Body close to the ground to body high above it."""
    nose: Tensor
    """Low long bonnet to high short bonnet."""
    roundness: Tensor
    """Box to bubble."""
    rake: Tensor
    """Upright windscreen and rear window to slanted ones."""


@dataclass(frozen=True)
class AppearanceFactors:
    """What an appearance code decides, every field in (0, 1) and of shape (B, 1) or (B, P)."""

    paint: Tensor
    """Position on the paint palette."""
    tone: Tensor
    """Pastel to deep paint."""
    two_tone: Tensor
    """Roof in the body's paint to roof in its own."""
    roof_paint: Tensor
    """Second paint, from cream to near black."""
    glass: Tensor
    """Cool glass to warm glass."""
    hub: Tensor
    """Dark hubs to light hubs."""
    trim: Tensor
    """Rubber bumpers to chrome bumpers."""
    gloss: Tensor
    """Satin paint to glossy paint."""


SHAPE_FACTOR_NAMES = tuple(field.name for field in fields(ShapeFactors))
APPEARANCE_FACTOR_NAMES = tuple(field.name for field in fields(AppearanceFactors))


@cache
def projections(count: int, code_size: int, seed: int) -> Tensor:
    """Orthonormal directions that read the factors off a code.

    Gram-Schmidt by hand: a library's QR may flip signs from one build to the next,
    and with them the family.

    Parameters
    ----------
    count, code_size
        Number of factors and length of a code, ``count <= code_size``.
    seed
        Seed of the directions.

    Returns
    -------
    Tensor
        float64 on the CPU, shape (count, code_size); rows are orthonormal.
    """
    generator = torch.Generator(device="cpu").manual_seed(seed)
    raw = torch.randn(
        count, code_size, generator=generator, device=torch.device("cpu"), dtype=torch.float64
    )
    rows: list[Tensor] = []
    for row in raw:
        rest = row
        for earlier in rows:
            rest = rest - (rest @ earlier) * earlier
        rows.append(rest / rest.norm())
    return torch.stack(rows)


def shape_factors(codes: Tensor) -> ShapeFactors:
    """Read the shape factors off shape codes of shape (B, S), entries N(0, 1)."""
    return ShapeFactors(*_uniform(codes, len(SHAPE_FACTOR_NAMES), SHAPE_SEED))


def appearance_factors(codes: Tensor) -> AppearanceFactors:
    """Read the appearance factors off appearance codes, entries N(0, 1).

    Parameters
    ----------
    codes
        One a car, shape (B, A), or one a point, shape (B, P, A).
    """
    of_points = codes if codes.dim() == 3 else codes[:, None]
    uniform = _uniform(of_points, len(APPEARANCE_FACTOR_NAMES), APPEARANCE_SEED)
    return AppearanceFactors(*(factor[..., 0] for factor in uniform))


def with_factor(codes: Tensor, index: int, value: float, *, seed: int, count: int) -> Tensor:
    """Codes moved along one projection alone until that factor has a given value.

    Parameters
    ----------
    codes
        Shape (B, S).
    index, value
        The factor, and its wanted value in (0, 1).
    seed, count
        The projections: `SHAPE_SEED` or `APPEARANCE_SEED`, and how many there are.

    Returns
    -------
    Tensor
        Shape (B, S); the other factors stay as they were.
    """
    direction = projections(count, codes.shape[-1], seed)[index].to(codes)
    wanted = NormalDist().inv_cdf(value)
    return codes + (wanted - codes @ direction)[:, None] * direction


def _uniform(codes: Tensor, count: int, seed: int) -> tuple[Tensor, ...]:
    directions = projections(count, codes.shape[-1], seed).to(codes)
    uniform: Tensor = torch.special.ndtr(codes @ directions.T)
    return torch.split(uniform, 1, dim=-1)
