"""The plain marcher: volume rendering as GRAF does it, written to be read.

It is the truth that faster paths are held against. The field enters as a callable, so that the
marcher runs on anything that gives density and colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.model.field import Field
from graf_cli.model.kernels import sigmoid
from graf_cli.rendering.camera import Rays

INFINITE = 1e10  # length of the last interval: any density at the far plane is opaque
EPSILON = 1e-10
PDF_FLOOR = 1e-5
RAY_BLOCK_POINTS = 1 << 18  # samples held at once, which bounds memory whatever the picture's size


@dataclass(frozen=True, eq=False)
class Composite:
    """What n rays saw.

    Attributes
    ----------
    colour : Tensor, shape = (n, 3)
        In [0, 1], on black.
    opacity : Tensor, shape = (n,)
        In [0, 1], to rounding.
    depth : Tensor, shape = (n,)
        Expected depth along the optical axis, world units; 0 where nothing is.
    """

    colour: Tensor
    opacity: Tensor
    depth: Tensor


def depths(near: Tensor, far: Tensor, samples: int) -> Tensor:
    """Evenly spaced depths, both ends included, shape = (n, samples)."""
    t = torch.linspace(0, 1, samples, device=near.device, dtype=near.dtype)
    return near * (1 - t) + far * t


def weights(density: Tensor, z: Tensor, length: Tensor) -> Tensor:
    """How much each sample contributes (GRAF equation 6).

    Parameters
    ----------
    density : Tensor, shape = (n, samples)
        Raw.
    z : Tensor, shape = (n, samples)
        Depths.
    length : Tensor, shape = (n, 1)
        Of the ray's direction.

    Returns
    -------
    Tensor, shape = (n, samples)
        ``alpha_k · Π_{j<k} (1 − alpha_j + 1e-10)``.
    """
    last = torch.full_like(z[:, :1], INFINITE)
    intervals = torch.cat((z[:, 1:] - z[:, :-1], last), dim=-1) * length
    alpha = 1 - torch.exp(-density.relu() * intervals)
    clear = torch.cat((torch.ones_like(alpha[:, :1]), 1 - alpha + EPSILON), dim=-1)
    return alpha * clear.cumprod(dim=-1)[:, :-1]


def composite(weight: Tensor, colour: Tensor, z: Tensor) -> Composite:
    """Sum samples along rays.

    Parameters
    ----------
    weight, z : Tensor, shape = (n, samples)
    colour : Tensor, shape = (n, samples, 3)
        Raw.
    """
    return Composite(
        colour=(weight[..., None] * sigmoid(colour)).sum(dim=-2),
        opacity=weight.sum(dim=-1),
        depth=(weight * z).sum(dim=-1),
    )


def disparity(depth: Tensor, opacity: Tensor) -> Tensor:
    """``1 / max(1e-10, depth / (opacity + 1e-10))``, shape = (n,), per world unit."""
    return 1 / (depth / (opacity + EPSILON)).clamp(min=EPSILON)


def resample(z: Tensor, weight: Tensor, count: int) -> Tensor:
    """Depths where the first pass saw something (NeRF section 5.2), without jitter.

    Parameters
    ----------
    z, weight : Tensor, shape = (n, samples)
        Depths and weights of the first pass.
    count : int
        Further depths.

    Returns
    -------
    Tensor, shape = (n, count)
        The inverse of the weights' cumulative distribution at evenly spaced numbers; the middle
        of one or two depths, which leave nothing to choose.
    """
    if z.shape[-1] < 3:
        return z.mean(dim=-1, keepdim=True).expand(-1, count)
    middles = (z[:, 1:] + z[:, :-1]) / 2
    pdf = weight[:, 1:-1] + PDF_FLOOR
    pdf = pdf / pdf.sum(dim=-1, keepdim=True)
    cdf = torch.cat((torch.zeros_like(pdf[:, :1]), pdf.cumsum(dim=-1)), dim=-1)
    u = torch.linspace(0, 1, count, device=z.device, dtype=z.dtype).expand(len(z), count)
    above = torch.searchsorted(cdf, u.contiguous(), right=True)
    below = (above - 1).clamp(min=0)
    above = above.clamp(max=cdf.shape[-1] - 1)
    low, high = cdf.gather(-1, below), cdf.gather(-1, above)
    width = torch.where(high - low < PDF_FLOOR, torch.ones_like(low), high - low)
    start, end = middles.gather(-1, below), middles.gather(-1, above)
    return start + (u - low) / width * (end - start)


def march(
    field: Field,
    rays: Rays,
    samples: int,
    *,
    chunk: int,
    importance: int = 0,
    fine: Field | None = None,
) -> Composite:
    """March rays through a field.

    Parameters
    ----------
    field : Field
        Points and unit directions, shapes (m, 3), to raw density (m,) and raw colour (m, 3).
    rays : Rays
    samples : int
        Along each ray.
    chunk : int
        Points that go through the field at once.
    importance : int
        Further samples of a second pass, evaluated by `fine` together with the first ones and
        composited alone; `field` again when there is no `fine`.
    """
    blocks = [
        _march_block(
            field, rays[at], samples, chunk=chunk, importance=importance, fine=fine or field
        )
        for at in _blocks(len(rays), RAY_BLOCK_POINTS // (samples + importance))
    ]
    return Composite(
        colour=torch.cat([block.colour for block in blocks]),
        opacity=torch.cat([block.opacity for block in blocks]),
        depth=torch.cat([block.depth for block in blocks]),
    )


def _blocks(total: int, size: int) -> list[slice]:
    size = max(size, 1)
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]


def _march_block(
    field: Field, rays: Rays, samples: int, *, chunk: int, importance: int, fine: Field
) -> Composite:
    z = depths(rays.near, rays.far, samples)
    length = rays.directions.norm(dim=-1, keepdim=True)
    density, colour = _sample(field, rays, z, length, chunk)
    weight = weights(density, z, length)
    if importance:
        z = torch.cat((z, resample(z, weight, importance)), dim=-1).sort(dim=-1).values
        density, colour = _sample(fine, rays, z, length, chunk)
        weight = weights(density, z, length)
    return composite(weight, colour, z)


def _sample(
    field: Field, rays: Rays, z: Tensor, length: Tensor, chunk: int
) -> tuple[Tensor, Tensor]:
    """Raw density (n, samples) and raw colour (n, samples, 3) at depths along rays."""
    points = (rays.origins[:, None] + rays.directions[:, None] * z[..., None]).reshape(-1, 3)
    directions = (rays.directions / length)[:, None].expand(*z.shape, 3).reshape(-1, 3)
    parts = [field(points[at], directions[at]) for at in _blocks(len(points), chunk)]
    density = torch.cat([part[0] for part in parts]).reshape(z.shape)
    colour = torch.cat([part[1] for part in parts]).reshape(*z.shape, 3)
    return density, colour
