"""Where a ray is sampled and what each interval weighs: the arithmetic of a `Quadrature`.

The exact integrator and the families' own marches share it. Letters as in
`graf_cli.rendering.integrator`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graf_cli.scene.camera import Rays
from graf_cli.scene.volume import Quadrature

INFINITE = 1e10  # length of the last interval: any density at the far plane is opaque
EPSILON = 1e-10  # keeps transmittance from zero, as the authors have it
NARROWEST = 1e-5  # of a bin of the cumulative distribution; a narrower one counts as 1
BLUR_FLOOR = 1e-2  # added to blurred weights (EG3D, following mip-NeRF)
STRAIGHT = 20.0  # from where softplus is the identity, as PyTorch has it


def first_depths(rays: Rays, quadrature: Quadrature, jitter: Tensor | None = None) -> Tensor:
    """Depths of the first pass, both ends included, shape = (n, samples).

    With `jitter`, shape = (n, samples), moved by that many steps; else by those of the quadrature.
    """
    near, far, samples = rays.near, rays.far, quadrature.samples
    if jitter is None and quadrature.shift:
        jitter = torch.full((1, 1), quadrature.shift, device=near.device, dtype=near.dtype)
    t = torch.linspace(0, 1, samples, device=near.device, dtype=near.dtype)
    if quadrature.spacing == "disparity":
        if jitter is not None:
            t = t + jitter / max(samples - 1, 1)
        return 1 / ((1 - t) / near + t / far)
    z = near + t * (far - near) if quadrature.depths == "near" else near * (1 - t) + far * t
    return z if jitter is None else z + jitter * ((far - near) / max(samples - 1, 1))


def activated(density: Tensor, quadrature: Quadrature) -> Tensor:
    """Density per world unit of a raw one, of the same shape."""
    if quadrature.activation == "relu":
        return density.relu()
    shift = 1.0 if quadrature.activation == "softplus-1" else 0.0
    return _softplus(density - shift)


def _softplus(x: Tensor) -> Tensor:
    """``log(1 + e^x)``, written out: PyTorch's rounds differently at the end of a tensor."""
    return torch.where(x > STRAIGHT, x, torch.log1p(torch.exp(x.clamp(max=STRAIGHT))))


def alphas(z: Tensor, density: Tensor, length: Tensor, quadrature: Quadrature) -> Tensor:
    """What each interval takes away.

    Parameters
    ----------
    z, density : Tensor, shape = (n, samples)
        Density raw.
    length : Tensor, shape = (n, 1)
        Of the ray's direction.

    Returns
    -------
    Tensor, shape = (n, samples), or (n, samples − 1) by the midpoint rule
    """
    steps = z[:, 1:] - z[:, :-1]
    if quadrature.rule == "midpoint":
        density = (density[:, 1:] + density[:, :-1]) / 2
    else:
        last = INFINITE if quadrature.last == "infinite" else 0.0
        steps = torch.cat((steps, torch.full_like(z[:, :1], last)), dim=-1)
    return 1 - torch.exp(-activated(density, quadrature) * (steps * length))


def weights(alpha: Tensor) -> Tensor:
    """``w_k = α_k T_k`` (GRAF, equation 6), shape as `alpha`, (n, intervals)."""
    clear = torch.cat((torch.ones_like(alpha[:, :1]), 1 - alpha + EPSILON), dim=-1)
    # A processor multiplies up in double precision by itself; a second pass minds the last digit.
    if clear.device.type == "cuda":
        clear = clear.to(torch.float64)
    return alpha * clear.cumprod(dim=-1)[:, :-1].to(alpha.dtype)


def further_depths(
    z: Tensor, weight: Tensor, quadrature: Quadrature, quantiles: Tensor | None = None
) -> Tensor:
    """Depths where the first pass saw something (NeRF, section 5.2).

    Parameters
    ----------
    z : Tensor, shape = (n, samples)
    weight : Tensor, shape = (n, intervals)
        Of the first pass.
    quantiles : Tensor, shape = (n, further), or None
        Where the cumulative distribution is inverted; None spreads them evenly.

    Returns
    -------
    Tensor, shape = (n, further)
        Unsorted where the quantiles are; the middle of one or two depths, which leave nothing to
        choose.
    """
    count = quadrature.further
    if z.shape[-1] < 3:
        return z.mean(dim=-1, keepdim=True).expand(-1, count)
    middles = (z[:, 1:] + z[:, :-1]) / 2
    pdf = (_blurred(weight) if quadrature.blurred else weight)[:, 1:-1]
    for floor in quadrature.pdf:
        pdf = pdf + floor
    pdf = pdf / pdf.sum(dim=-1, keepdim=True)
    cdf = torch.cat((torch.zeros_like(pdf[:, :1]), pdf.cumsum(dim=-1)), dim=-1)
    u = _evenly(z, quadrature) if quantiles is None else quantiles
    above = torch.searchsorted(cdf, u.contiguous(), right=quadrature.search == "right")
    below = (above - 1).clamp(min=0)
    above = above.clamp(max=cdf.shape[-1] - 1)
    low, high = cdf.gather(-1, below), cdf.gather(-1, above)
    width = torch.where(high - low < NARROWEST, torch.ones_like(low), high - low)
    start, end = middles.gather(-1, below), middles.gather(-1, above)
    return start + (u - low) / width * (end - start)


def _blurred(weight: Tensor) -> Tensor:
    """Mean of the maxima with either neighbour, and a floor; shape = (n, intervals)."""
    edge = torch.full_like(weight[:, :1], -torch.inf)
    padded = torch.cat((edge, weight, edge), dim=-1)
    highest = torch.maximum(padded[:, :-1], padded[:, 1:])
    return (highest[:, :-1] + highest[:, 1:]) / 2 + BLUR_FLOOR


def _evenly(z: Tensor, quadrature: Quadrature) -> Tensor:
    count = quadrature.further
    if quadrature.even == "ends":
        u = torch.linspace(0, 1, count, device=z.device, dtype=z.dtype)
    else:
        u = (torch.arange(count, device=z.device, dtype=z.dtype) + 0.5) / count
    return u.expand(len(z), count)
