"""Questions with known answers: points in and around random cars, and what a field says there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tools.toycars.codes import DEFAULT_CODE_SIZE
from tools.toycars.family import Cars, cars
from tools.toycars.truth import FAR, FIELD_OF_VIEW, NEAR, RADIUS, V_RANGE, Rays, trace

BOX = ((-2.5, -1.25, -1.0), (2.5, 1.25, 1.3))
"""Corners of a box that holds every car, world units."""
NEARNESS = 0.06
"""Points are drawn near the surface with density exp(−|distance| / NEARNESS)."""
STEEPNESS = 350.0
"""Raw density gained per world unit of depth under the surface."""
EMPTY, SOLID = -15.0, 60.0
"""Bounds of the raw density that is asked for."""
CLEARANCE = 0.1
"""Signed distance from which a point is surely empty, world units; density fades out at 0.06."""
COLOUR_BAND = (-0.22, 0.02)
"""Signed distances between which a ray still collects colour."""
SAMPLES = 64
"""Samples of the renderer along a ray."""
AHEAD = 2
"""How many of a ray's samples are taken before it meets the surface."""
RAY_SEED = 1 << 40
"""Keeps the draws of rays apart from those of points."""
VIEWS_TRIED = 3
"""Eyes drawn per point to find one that sees its surface."""
REACH = math.hypot(FAR - RADIUS, math.sqrt(2) * FAR * math.tan(math.radians(FIELD_OF_VIEW / 2)))
"""Distance from the origin to the last sample in a picture's corner, the farthest one seen."""


@dataclass(frozen=True)
class BatchSize:
    """How many points one step asks about."""

    codes: int = 48
    near: int = 224
    """Points per code near the surface."""
    coloured: int = 160
    """How many of them are asked for their colour too."""
    volume: int = 96
    """Points per code anywhere in a camera's view."""
    candidates: int = 640
    """Points per code from which those near the surface are chosen."""
    code_size: int = DEFAULT_CODE_SIZE
    shift: float = 0.0
    """How far outside the surface density begins, world units."""
    own_appearance: bool = False
    """Whether every coloured point has an appearance code of its own, not one with its car."""


@dataclass(frozen=True)
class Batch:
    """B codes with P points each; the first C points of each code are coloured."""

    shape: Tensor
    """(B, S)"""
    appearance: Tensor
    """(B, A), or (B, C, A) where every coloured point has its own."""
    points: Tensor
    """World positions, (B, P, 3)."""
    directions: Tensor
    """Unit viewing directions of the coloured points, (B, C, 3)."""
    density: Tensor
    """Raw density wanted, (B, P)."""
    colour: Tensor
    """RGB wanted after the sigmoid, in [0, 1], (B, C, 3)."""
    seen: Tensor
    """1 where that colour counts, else 0, (B, C)."""


@dataclass(frozen=True)
class RayBatch:
    """B codes with R rays each, W samples a ray."""

    shape: Tensor
    """(B, S)"""
    appearance: Tensor
    """(B, R, A): every ray has its own."""
    points: Tensor
    """Samples around the surface, in order from the eye, (B, R, W, 3)."""
    directions: Tensor
    """Unit viewing directions, (B, R, 3)."""
    interval: Tensor
    """World units between two samples of a ray, (B, R)."""
    colour: Tensor
    """RGB wanted of the pixel, on white, (B, R, 3)."""
    hit: Tensor
    """1 where the ray meets the car, else 0, (B, R)."""


@dataclass(frozen=True)
class Space:
    """B codes with P points each, anywhere that a camera sees."""

    shape: Tensor
    """(B, S)"""
    points: Tensor
    """World positions, (B, P, 3)."""
    distance: Tensor
    """Signed distance to the car, world units, (B, P)."""


def draw_batch(size: BatchSize, seed: int, *, device: torch.device, dtype: torch.dtype) -> Batch:
    """Draw a batch; the same seed gives the same one on the same kind of device."""
    draw = _Draw(torch.Generator(device=device).manual_seed(seed), device, dtype)
    shape = draw.normal(size.codes, size.code_size)
    own = (size.coloured,) if size.own_appearance else ()
    appearance = draw.normal(size.codes, *own, size.code_size)
    family = cars(shape, appearance)
    near, depth = _near_surface(family, size, draw)
    volume = _in_view(draw, size.codes, size.volume)
    points = torch.cat((near, volume), dim=1)
    coloured = near[:, : size.coloured]
    colour, seen, directions = _colours(family, coloured, depth[:, : size.coloured], draw)
    distance = torch.cat((depth, family.distance(volume)), dim=1)
    return Batch(
        shape=shape,
        appearance=appearance,
        points=points,
        directions=directions,
        density=(STEEPNESS * (size.shift - distance)).clamp(EMPTY, SOLID),
        colour=colour,
        seen=seen,
    )


def draw_rays(
    size: BatchSize, count: int, window: int, seed: int, *, device: torch.device, dtype: torch.dtype
) -> RayBatch:
    """Draw rays of random cameras past and into random cars, with the renderer's own samples.

    Parameters
    ----------
    size
        How many codes, and the candidates from which the rays' aims are chosen.
    count, window
        Rays per code, and samples per ray around the surface.
    seed
        Seed of all draws.
    """
    draw = _Draw(torch.Generator(device=device).manual_seed(seed + RAY_SEED), device, dtype)
    shape = draw.normal(size.codes, size.code_size)
    appearance = draw.normal(size.codes, count, size.code_size)
    family = cars(shape, appearance)
    aims, _ = _near_surface(family, replace(size, near=count), draw)
    eyes = _eyes(draw, size.codes, count)
    offset = aims - eyes
    aimed = -(offset * eyes).sum(-1) / RADIUS
    directions = offset / aimed[..., None]
    depth, hit = trace(family.distance, Rays(eyes, directions, count))
    unit = torch.nn.functional.normalize(directions, dim=-1)
    met = eyes + depth[..., None] * directions
    colour = family.colour(met, unit)
    spacing = (FAR - NEAR) / (SAMPLES - 1)
    first = ((torch.where(hit, depth, aimed) - NEAR) / spacing).floor() - AHEAD
    taken = torch.arange(window, device=device, dtype=dtype)
    along = NEAR + spacing * (first[..., None] + taken)
    return RayBatch(
        shape=shape,
        appearance=appearance,
        points=eyes[:, :, None] + along[..., None] * directions[:, :, None],
        directions=unit,
        interval=spacing * directions.norm(dim=-1),
        colour=torch.where(hit[..., None], colour, torch.ones_like(colour)),
        hit=hit.to(dtype),
    )


def draw_space(
    codes: int, ball: int, view: int, code_size: int, seed: int, *, device: torch.device
) -> Space:
    """Draw points from all that cameras see, its corners included.

    Parameters
    ----------
    codes
        How many shapes.
    ball, view
        Points per code evenly in a ball of radius `REACH`, which holds whatever a camera sees
        from wherever it stands, and points as pictures take their samples. The ball's favour
        what pictures show in a corner, the others what they show in the middle.
    code_size, seed
        Length of a code, and the seed of all draws.
    """
    draw = _Draw(torch.Generator(device=device).manual_seed(seed), device, torch.float32)
    shape = draw.normal(codes, code_size)
    around = torch.nn.functional.normalize(draw.normal(codes, ball, 3), dim=-1)
    far = REACH * draw.uniform(codes, ball, 1) ** (1 / 3)
    points = torch.cat((far * around, _in_view(draw, codes, view)), dim=1)
    return Space(shape, points, cars(shape, shape).distance(points))


@dataclass(frozen=True)
class _Draw:
    generator: torch.Generator
    device: torch.device
    dtype: torch.dtype

    def normal(self, *size: int) -> Tensor:
        return torch.randn(size, generator=self.generator, device=self.device, dtype=self.dtype)

    def uniform(self, *size: int) -> Tensor:
        return torch.rand(size, generator=self.generator, device=self.device, dtype=self.dtype)

    def constant(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, device=self.device, dtype=self.dtype)


def _near_surface(family: Cars, size: BatchSize, draw: _Draw) -> tuple[Tensor, Tensor]:
    """Points near the surface, those fit for colour first, with their signed distances."""
    low, high = draw.constant(BOX[0]), draw.constant(BOX[1])
    candidates = low + (high - low) * draw.uniform(size.codes, size.candidates, 3)
    distance = family.distance(candidates)
    # Gumbel noise makes the top k a draw without replacement in proportion to the weights.
    noise = -(-draw.uniform(size.codes, size.candidates).clamp(1e-6, 1 - 1e-6).log()).log()
    chosen = (noise - distance.abs() / NEARNESS).topk(size.near, dim=1).indices
    distance = distance.gather(1, chosen)
    under = (distance > COLOUR_BAND[0]) & (distance < COLOUR_BAND[1])
    order = under.to(torch.int8).argsort(dim=1, descending=True, stable=True)
    chosen = chosen.gather(1, order)
    points = candidates.gather(1, chosen[..., None].expand(-1, -1, 3))
    return points, distance.gather(1, order)


def _colours(
    family: Cars, points: Tensor, distance: Tensor, draw: _Draw
) -> tuple[Tensor, Tensor, Tensor]:
    """Colours of the surface that the points lie under, whether they count, and from where."""
    normal = family.normal(points)
    surface = points - distance[..., None] * normal
    rays = surface[:, :, None] - _eyes(
        draw, points.shape[0], points.shape[1] * VIEWS_TRIED
    ).reshape(*points.shape[:2], VIEWS_TRIED, 3)
    rays = torch.nn.functional.normalize(rays, dim=-1)
    faces = (rays * normal[:, :, None]).sum(-1) < 0
    first = faces.to(torch.int8).argmax(dim=-1)
    directions = rays.gather(2, first[..., None, None].expand(-1, -1, 1, 3))[:, :, 0]
    inside_band = (distance > COLOUR_BAND[0]) & (distance < COLOUR_BAND[1])
    seen = (inside_band & faces.any(dim=-1)).to(points.dtype)
    return family.colour(surface, directions), seen, directions


def _eyes(draw: _Draw, codes: int, count: int) -> Tensor:
    """Camera positions as the released cars' are drawn, (codes, count, 3)."""
    azimuth = 2 * torch.pi * draw.uniform(codes, count)
    cosine = 1 - 2 * (V_RANGE[0] + (V_RANGE[1] - V_RANGE[0]) * draw.uniform(codes, count))
    sine = (1 - cosine * cosine).clamp_min(0).sqrt()
    return RADIUS * torch.stack((sine * azimuth.cos(), sine * azimuth.sin(), cosine), dim=-1)


def _in_view(draw: _Draw, codes: int, count: int) -> Tensor:
    """Points in the views of random cameras, between near and far, (codes, count, 3)."""
    backward = _eyes(draw, codes, count) / RADIUS
    level = torch.zeros_like(backward[..., 0])
    right = torch.nn.functional.normalize(
        torch.stack((-backward[..., 1], backward[..., 0], level), dim=-1), dim=-1
    )
    upward = torch.linalg.cross(backward, right)
    depth = NEAR + (FAR - NEAR) * draw.uniform(codes, count, 1)
    half = torch.tan(torch.deg2rad(draw.constant((FIELD_OF_VIEW / 2,))))
    across, up = half * depth * (2 * draw.uniform(2, codes, count, 1) - 1)
    points: Tensor = (RADIUS - depth) * backward + across * right + up * upward
    return points
