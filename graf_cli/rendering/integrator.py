"""The exact integrator: volume rendering as the families' authors do it, written to be read.

It is the truth that faster paths are held against, and it is differentiable in points and codes.

Letters, for one ray with samples k = 0 … S − 1:

* ``z_k`` depths, in units of the ray's direction; ``δ_k`` lengths of the intervals, world units;
* ``σ_k`` density, per world unit; ``α_k = 1 − exp(−σ_k δ_k)`` what interval k takes away;
* ``T_k = Π_{j<k} (1 − α_j + 1e-10)`` transmittance, what is left in front of interval k;
* ``w_k = α_k T_k`` weights; they sum to the opacity, at most 1 to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.scene.camera import Rays
from graf_cli.scene.volume import Draws, Quadrature, Scene, Volume

INFINITE = 1e10  # length of the last interval: any density at the far plane is opaque
EPSILON = 1e-10  # keeps transmittance from zero, as the authors have it
NARROWEST = 1e-5  # of a bin of the cumulative distribution; a narrower one counts as 1
BLUR_FLOOR = 1e-2  # added to blurred weights (EG3D, following mip-NeRF)
STRAIGHT = 20.0  # from where softplus is the identity, as PyTorch has it
BLOCK_NUMBERS = 3 << 18  # radiance held at once, which bounds memory whatever the picture's size


@dataclass(frozen=True, eq=False)
class Seen:
    """What n rays saw.

    Attributes
    ----------
    radiance : Tensor, shape = (n, channels)
        ``Σ w_k c_k``, on black.
    opacity : Tensor, shape = (n,)
        ``Σ w_k`` in [0, 1], to rounding; without what `Quadrature.last_back` adds.
    depth : Tensor, shape = (n,)
        ``Σ w_k z_k``, likewise; 0 where nothing is.
    """

    radiance: Tensor
    opacity: Tensor
    depth: Tensor


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples along n rays, in the order of their depths.

    Attributes
    ----------
    z, density : Tensor, shape = (n, samples)
        Density raw.
    radiance : Tensor, shape = (n, samples, channels), or None
    """

    z: Tensor
    density: Tensor
    radiance: Tensor | None


def first_depths(rays: Rays, quadrature: Quadrature, jitter: Tensor | None = None) -> Tensor:
    """Depths of the first pass, both ends included, shape = (n, samples).

    With `jitter`, shape = (n, samples), moved by that many steps.
    """
    near, far, samples = rays.near, rays.far, quadrature.samples
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
    return alpha * clear.cumprod(dim=-1)[:, :-1]


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


def disparity(depth: Tensor, opacity: Tensor) -> Tensor:
    """``1 / max(1e-10, depth / (opacity + 1e-10))``, shape = (n,), per world unit."""
    return 1 / (depth / (opacity + EPSILON)).clamp(min=EPSILON)


def integrate(
    scene: Scene, rays: Rays, *, chunk: int, pixel: Tensor | None = None, draws: Draws | None = None
) -> Seen:
    """March rays through a scene.

    Parameters
    ----------
    scene : Scene
    rays : Rays
        World frame, already warped where the scene warps them.
    chunk : int
        Points that go through a volume at once.
    pixel : Tensor of int64, shape = (n,), or None
        Which of the picture's the rays are; needed with `draws`.
    draws : Draws or None
        Random numbers of the picture.
    """
    along = scene.quadrature.samples + scene.quadrature.further
    size = max(BLOCK_NUMBERS // (along * max(scene.passes[-1].channels, 3)), 1)
    blocks = []
    for start in range(0, len(rays), size):
        some = slice(start, start + size)
        drawn = None if draws is None or pixel is None else _of(draws, pixel[some])
        blocks.append(_integrate_block(scene, rays[some], chunk, drawn))
    return Seen(
        radiance=torch.cat([block.radiance for block in blocks]),
        opacity=torch.cat([block.opacity for block in blocks]),
        depth=torch.cat([block.depth for block in blocks]),
    )


def _of(draws: Draws, pixel: Tensor) -> Draws:
    quantiles = None if draws.quantiles is None else draws.quantiles[pixel]
    return Draws(draws.jitter[pixel], quantiles, tuple(noise[pixel] for noise in draws.noise))


def _integrate_block(scene: Scene, rays: Rays, chunk: int, draws: Draws | None) -> Seen:
    quadrature = scene.quadrature
    length = rays.directions.norm(dim=-1, keepdim=True)
    z = first_depths(rays, quadrature, None if draws is None else draws.jitter)
    alone = not quadrature.further
    first = sample(
        scene, scene.passes[0], rays, z, chunk=chunk, radiance=alone or quadrature.reused
    )
    noise = draws.noise if draws is not None else ()
    if alone:
        return composite(first, length, quadrature, noise[-1] if noise else None)
    density = first.density + noise[0] if noise else first.density
    weight = weights(alphas(z, density, length, quadrature))
    quantiles = None if draws is None else draws.quantiles
    further = further_depths(z, weight, quadrature, quantiles)
    if quadrature.reused:
        more = sample(scene, scene.passes[-1], rays, further, chunk=chunk, radiance=True)
        seen = _merged(first, more)
    else:
        z = torch.cat((z, further), dim=-1).sort(dim=-1).values
        seen = sample(scene, scene.passes[-1], rays, z, chunk=chunk, radiance=True)
    return composite(seen, length, quadrature, noise[-1] if noise else None)


def _merged(first: Samples, more: Samples) -> Samples:
    """Both in the order of their depths."""
    assert first.radiance is not None
    assert more.radiance is not None
    z, order = torch.cat((first.z, more.z), dim=-1).sort(dim=-1)
    density = torch.cat((first.density, more.density), dim=-1).gather(-1, order)
    radiance = torch.cat((first.radiance, more.radiance), dim=1)
    index = order[..., None].expand(*order.shape, radiance.shape[-1])
    return Samples(z, density, radiance.gather(1, index))


def composite(
    seen: Samples, length: Tensor, quadrature: Quadrature, noise: Tensor | None = None
) -> Seen:
    """Sum samples along rays; `noise`, shape as the density, is added to it.

    Parameters
    ----------
    length : Tensor, shape = (n, 1)
        Of the rays' directions.
    """
    assert seen.radiance is not None
    density = seen.density if noise is None else seen.density + noise
    weight = weights(alphas(seen.z, density, length, quadrature))
    radiance, z = seen.radiance, seen.z
    if quadrature.rule == "midpoint":
        radiance, z = (radiance[:, 1:] + radiance[:, :-1]) / 2, (z[:, 1:] + z[:, :-1]) / 2
    opacity, depth = weight.sum(dim=-1), (weight * z).sum(dim=-1)
    if quadrature.last_back:
        missing = 1 - opacity[:, None]
        weight = torch.cat((weight[:, :-1], weight[:, -1:] + missing), dim=-1)
    return Seen((weight[..., None] * radiance).sum(dim=-2), opacity, depth)


def sample(
    scene: Scene, volume: Volume, rays: Rays, z: Tensor, *, chunk: int, radiance: bool
) -> Samples:
    """Ask a volume at depths along rays, shape = (n, samples), `chunk` points at a time."""
    if scene.place is None:
        points = rays.origins[:, None] + rays.directions[:, None] * z[..., None]
    else:
        points = scene.place(rays, z)
    points = points.reshape(z.numel(), points.shape[-1])
    views = rays.views
    if views is None:
        views = rays.directions / rays.directions.norm(dim=-1, keepdim=True)
    views = views[:, None].expand(*z.shape, 3).reshape(-1, 3)
    densities, colours = [], []
    for p, d in zip(torch.split(points, chunk), torch.split(views, chunk), strict=True):
        features, density = volume.density(p)
        densities.append(density)
        if radiance:
            colours.append(volume.radiance(features, d))
    return Samples(
        z=z,
        density=torch.cat(densities).reshape(z.shape),
        radiance=torch.cat(colours).reshape(*z.shape, volume.channels) if radiance else None,
    )
