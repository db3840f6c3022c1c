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
from graf_cli.scene.quadrature import (
    EPSILON,
    INFINITE,
    activated,
    alphas,
    first_depths,
    further_depths,
    weights,
)
from graf_cli.scene.volume import Draws, Quadrature, Scene, Volume

__all__ = [
    "EPSILON", "INFINITE", "Samples", "Seen", "activated", "alphas", "composite", "disparity",
    "first_depths", "further_depths", "integrate", "sample", "weights",
]  # fmt: skip

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
