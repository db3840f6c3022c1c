"""Pictures of the procedural cars themselves, by sphere tracing: what a fit is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tools.toycars.family import Cars

RADIUS = 10.0
NEAR = 7.5
FAR = 12.5
FIELD_OF_VIEW = 30.0
V_RANGE = (0.0, 0.45642212862617093)

RELAXATION = 0.75
STEPS = 128
HIT = 6e-3


@dataclass(frozen=True)
class Rays:
    """Rays of B square pictures, row by row from the top left; P = size²."""

    origins: Tensor
    """World positions, (B, 1, 3)."""
    directions: Tensor
    """World directions of depth 1 along the optical axis, (B, P, 3)."""
    size: int
    """Pixels a side."""

    def unit(self) -> Tensor:
        """Unit directions, (B, P, 3)."""
        return torch.nn.functional.normalize(self.directions, dim=-1)


@dataclass(frozen=True)
class Picture:
    """What B cameras see, on white."""

    colour: Tensor
    """RGB in [0, 1], (B, H, W, 3)."""
    mask: Tensor
    """True where the car is, (B, H, W)."""
    depth: Tensor
    """Depth along the optical axis, FAR where nothing is, (B, H, W)."""


def camera_rays(u: Tensor, v: Tensor, size: int) -> Rays:
    """Rays of the released cars' camera.

    Parameters
    ----------
    u, v
        Viewpoints, shape (B,): azimuth is 360 u degrees, the polar angle arccos(1 − 2v).
    size
        Pixels a side; pixel (i, j) looks along ((i − size/2)/f, −(j − size/2)/f, −1).

    Returns
    -------
    Rays
        On the device of ``u``.
    """
    azimuth = 2 * torch.pi * u
    polar = torch.arccos(1 - 2 * v)
    backward = torch.stack(
        (polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos()), dim=-1
    )
    level = torch.zeros_like(azimuth)
    right = torch.stack((-azimuth.sin(), azimuth.cos(), level), dim=-1)
    upward = torch.linalg.cross(backward, right)
    half = torch.tan(torch.deg2rad(torch.tensor(FIELD_OF_VIEW / 2, device=u.device, dtype=u.dtype)))
    pixel = (torch.arange(size, device=u.device, dtype=u.dtype) - size / 2) * (2 / size) * half
    down, across = torch.meshgrid(pixel, pixel, indexing="ij")
    offset = across.reshape(-1, 1) * right[:, None] - down.reshape(-1, 1) * upward[:, None]
    return Rays((RADIUS * backward)[:, None], offset - backward[:, None], size)


def render_truth(cars: Cars, rays: Rays) -> Picture:
    """Draw B procedural cars, one a camera."""
    depth, hit = trace(cars.distance, rays)
    points = rays.origins + depth[..., None] * rays.directions
    colour = cars.colour(points, rays.unit())
    colour = torch.where(hit[..., None], colour, torch.ones_like(colour))
    image = (-1, rays.size, rays.size)
    return Picture(
        colour=colour.reshape(*image, 3),
        mask=hit.reshape(image),
        depth=torch.where(hit, depth, torch.full_like(depth, FAR)).reshape(image),
    )


def trace(distance: Callable[[Tensor], Tensor], rays: Rays) -> tuple[Tensor, Tensor]:
    """March along rays by the distance to the surface.

    Parameters
    ----------
    distance
        Signed distance (B, P) at world points (B, P, 3).
    rays
        The rays.

    Returns
    -------
    depth, hit
        Where each ray ends, as a depth along the optical axis, and whether it met the surface;
        both (B, P).
    """
    length = rays.directions.norm(dim=-1)
    depth = torch.full_like(length, NEAR)
    remaining = torch.full_like(length, torch.inf)
    for _ in range(STEPS):
        remaining = distance(rays.origins + depth[..., None] * rays.directions)
        depth = (depth + RELAXATION * remaining / length).clamp_max(FAR)
    return depth, (remaining < HIT) & (depth < FAR)
