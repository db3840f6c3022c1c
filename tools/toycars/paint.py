"""The colours of a toy car: materials, a soft baked light, and a highlight that follows the eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tools.toycars.shape import GROUND, CarShape, Parts, car_parts, surface_normal

if TYPE_CHECKING:
    from tools.toycars.codes import AppearanceFactors

Colour = tuple[float, float, float]

# Cherry, tangerine, sunflower, leaf, jade, lagoon, sky, cobalt, plum, rose.
PALETTE: tuple[Colour, ...] = (
    (0.84, 0.11, 0.12),
    (0.96, 0.42, 0.08),
    (0.99, 0.76, 0.13),
    (0.52, 0.72, 0.20),
    (0.06, 0.55, 0.36),
    (0.07, 0.60, 0.66),
    (0.26, 0.60, 0.93),
    (0.14, 0.27, 0.76),
    (0.49, 0.22, 0.66),
    (0.92, 0.33, 0.52),
)
ROOF_PALETTE: tuple[Colour, ...] = ((0.98, 0.95, 0.87), (0.80, 0.83, 0.86), (0.13, 0.14, 0.17))
PASTEL: Colour = (0.98, 0.95, 0.91)
COOL_GLASS: Colour = (0.13, 0.21, 0.29)
WARM_GLASS: Colour = (0.25, 0.20, 0.18)
TYRE: Colour = (0.11, 0.11, 0.12)
DARK_HUB: Colour = (0.38, 0.39, 0.42)
LIGHT_HUB: Colour = (0.86, 0.87, 0.88)
RUBBER: Colour = (0.17, 0.18, 0.20)
CHROME: Colour = (0.82, 0.84, 0.87)
HEADLAMP: Colour = (1.00, 0.95, 0.78)
TAIL_LAMP: Colour = (0.88, 0.08, 0.09)
HOUSING: Colour = (0.07, 0.07, 0.08)
LINER: Colour = (0.30, 0.30, 0.32)
GRILLE: Colour = (0.12, 0.13, 0.15)

SUN = (0.42, 0.52, 0.74)
SKY: Colour = (0.80, 0.90, 1.00)
SUNLIGHT: Colour = (1.00, 0.97, 0.90)
EDGE = 0.022
"""Width over which one material gives way to the next, world units."""


@dataclass(frozen=True)
class CarPaint:
    """Colours in [0, 1], one a car or one a point, (B, 1, 3) or (B, P, 3)."""

    body: Tensor
    roof: Tensor
    glass: Tensor
    hub: Tensor
    trim: Tensor
    gloss: Tensor
    """Strength of the highlight, (B, 1) or (B, P)."""


@dataclass(frozen=True)
class Surface:
    """What a camera would meet at a point, shape (B, P, 3) or (B, P)."""

    base: Tensor
    gloss: Tensor
    mirror: Tensor
    occlusion: Tensor


def car_paint(factors: AppearanceFactors) -> CarPaint:
    """Turn appearance factors into colours."""
    pure = _along(PALETTE, factors.paint)
    pastel = 0.55 * _ramp(0.34, 0.06, factors.tone)[..., None]
    deep = 0.26 * _ramp(0.66, 0.96, factors.tone)[..., None]
    body = torch.lerp(pure, _constant(PASTEL, pure), pastel) * (1 - deep)
    mixed = _ramp(0.40, 0.60, factors.two_tone)[..., None]
    roof = torch.lerp(body, _along(ROOF_PALETTE, factors.roof_paint), mixed)
    return CarPaint(
        body=body,
        roof=roof,
        glass=_along((COOL_GLASS, WARM_GLASS), factors.glass),
        hub=_along((DARK_HUB, LIGHT_HUB), _ramp(0.05, 0.60, factors.hub)),
        trim=_along((RUBBER, CHROME), _ramp(0.35, 0.65, factors.trim)),
        gloss=0.35 + 0.60 * factors.gloss,
    )


def car_colour(points: Tensor, directions: Tensor, car: CarShape, paint: CarPaint) -> Tensor:
    """Colour of the surface at points on it.

    Parameters
    ----------
    points
        World positions on the surface, shape (B, P, 3).
    directions
        Unit directions in which the eye looks, towards the point, shape (B, P, 3).
    car, paint
        Shapes and colours of the B cars.

    Returns
    -------
    Tensor
        RGB in [0, 1], shape (B, P, 3).
    """
    normals = surface_normal(points, car)
    surface = _surface(points, normals, car_parts(points, car), car, paint)
    return _lit(surface, normals, directions)


def _lit(surface: Surface, normals: Tensor, directions: Tensor) -> Tensor:
    up = normals[..., 2]
    sun = torch.nn.functional.normalize(_constant(SUN, normals), dim=-1)
    lambert = (normals * sun).sum(-1).clamp_min(0)
    light = (0.72 + 0.13 * up + 0.30 * lambert) * surface.occlusion
    facing = -(normals * directions).sum(-1)
    mirrored = directions + 2 * facing[..., None] * normals
    glint = ((mirrored * sun).sum(-1)).clamp_min(0) ** 11
    fresnel = (1 - facing.clamp(0, 1)) ** 3
    sky = surface.mirror * (0.10 + 0.55 * fresnel) * _ramp(-0.15, 0.75, mirrored[..., 2])
    colour = surface.base * light[..., None]
    colour = torch.lerp(colour, _constant(SKY, colour), (sky * surface.occlusion)[..., None])
    shine = (0.95 * surface.gloss * surface.occlusion * glint)[..., None]
    return torch.lerp(colour, _constant(SUNLIGHT, colour), shine).clamp(0, 1)


def _surface(
    points: Tensor, normals: Tensor, parts: Parts, car: CarShape, paint: CarPaint
) -> Surface:
    base, glass = _bodywork(points, normals, parts, car, paint)
    rubber = torch.zeros_like(glass)
    for colour, mask in _fittings(points, parts, car, paint, base):
        base = torch.lerp(base, colour, mask[..., None])
        rubber = torch.maximum(rubber, mask)
    tyre = _inside(parts.wheels - parts.body) * _inside(0.11 * (0.62 - parts.hub))
    height = points[..., 2] - GROUND
    well = _inside(parts.arch + 0.01) * (1 - _inside(parts.wheels - 0.01))
    occlusion = (0.72 + 0.28 * _ramp(0.0, 0.7, height)) * (1 - 0.5 * well)
    matte = torch.maximum(tyre, well)
    gloss = torch.maximum(paint.gloss * (1 - 0.5 * rubber), 0.8 * glass) * (1 - 0.85 * matte)
    mirror = torch.maximum(0.35 + 0.4 * paint.gloss, 1.3 * glass) * (1 - 0.85 * matte)
    return Surface(base=base, gloss=gloss, mirror=mirror, occlusion=occlusion)


def _bodywork(
    points: Tensor, normals: Tensor, parts: Parts, car: CarShape, paint: CarPaint
) -> tuple[Tensor, Tensor]:
    """Body and roof paint with the windows in it, and the windows' mask."""
    above = _inside(parts.waist + 0.02)
    glass = _windows(points, parts, car)
    body = torch.lerp(paint.body.expand_as(points), paint.roof, above[..., None])
    grille_z = points[..., 2] - car.sill - 0.36
    grille = torch.maximum(points[..., 1].abs() - 0.36 * car.width, grille_z.abs() - 0.075)
    front = _inside(-(points[..., 0] - car.length + 0.22)) * _ramp(0.3, 0.7, normals[..., 0])
    body = torch.lerp(body, _constant(GRILLE, body), (_inside(grille) * front)[..., None])
    body = torch.lerp(body, paint.glass, glass[..., None])
    bed = _inside(parts.bed - 0.02) * _inside(points[..., 2] - car.belt + 0.07)
    return torch.lerp(body, _constant(LINER, body), bed[..., None]), glass


def _windows(points: Tensor, parts: Parts, car: CarShape) -> Tensor:
    """Every face of the greenhouse but the roof, drawn in from its own edges."""
    walls = torch.stack((parts.screen, parts.tail, parts.side), dim=-1)
    second = walls.topk(2, dim=-1).values[..., 1]
    frame = torch.maximum(second + 0.10, parts.waist + 0.085)
    frame = torch.maximum(frame, parts.top + 0.11)
    pillar_x = 0.5 * (car.screen_base - 0.6 * car.screen_run + car.tail_base)
    sideways = _inside(torch.maximum(parts.screen, parts.tail) - parts.side)
    pillar = _inside((points[..., 0] - pillar_x).abs() - 0.055) * sideways
    return _inside(frame) * (1 - pillar)


def _fittings(
    points: Tensor, parts: Parts, car: CarShape, paint: CarPaint, base: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Colours of what is bolted on, with masks, later ones over earlier ones."""
    bodywork = torch.minimum(parts.body, parts.mirrors)
    trim = _inside(parts.bumpers - bodywork)
    front = _inside(-(points[..., 0] - car.length + 0.24))
    lamp_ahead = _inside(parts.headlamps - torch.minimum(bodywork, parts.bumpers)) * front
    lamp_behind = _inside(parts.tail_lamps - torch.minimum(bodywork, parts.bumpers))
    housing = _inside(parts.arch - 0.02) * _inside(points[..., 1].abs() - car.width + 0.05)
    wheel = _inside(parts.wheels - torch.minimum(parts.body, parts.bumpers))
    hub = wheel * _inside(0.4 * (parts.hub - 0.62))
    cap = wheel * _inside(0.4 * (parts.hub - 0.20))
    return [
        (_constant(HOUSING, base), housing),
        (paint.trim, trim),
        (_constant(HEADLAMP, base), lamp_ahead),
        (_constant(TAIL_LAMP, base), lamp_behind),
        (_constant(TYRE, base), wheel),
        (paint.hub, hub),
        (paint.body, cap),
    ]


def _inside(distance: Tensor) -> Tensor:
    """1 where a signed distance is negative, 0 where positive, with a soft edge."""
    return torch.sigmoid(distance * (-4 / EDGE))


def _ramp(start: float, end: float, value: Tensor) -> Tensor:
    """0 at ``start``, 1 at ``end``, smooth between; ``start`` may be the larger."""
    step = ((value - start) / (end - start)).clamp(0, 1)
    return step * step * (3 - 2 * step)


def _along(palette: tuple[Colour, ...], position: Tensor) -> Tensor:
    """Colours (…, 3) at positions (…) in [0, 1] along a palette."""
    scaled = position * (len(palette) - 1)
    colour = _constant(palette[0], position).expand(*position.shape, 3)
    for index in range(len(palette) - 1):
        step = (scaled - index).clamp(0, 1)[..., None]
        change = _constant(palette[index + 1], colour) - _constant(palette[index], colour)
        colour = colour + step * change
    return colour


def _constant(colour: Colour, like: Tensor) -> Tensor:
    return torch.tensor(colour, device=like.device, dtype=like.dtype)
