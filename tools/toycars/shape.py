"""The shape of a toy car: a signed distance, negative inside.

World frame: x towards the nose, y to the left, z up; the origin is the middle of the car.
Every car lies within `CAR_RADIUS` of the origin. Distances are close to Euclidean near the
surface (their gradient stays between 0.5 and 1.5 there), not exact far from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from tools.toycars.codes import ShapeFactors

GROUND = -0.90
CAR_RADIUS = 2.5

# One column a style: pick-up, saloon, hatchback, van. Heights are above the ground.
STYLES = {
    "length": (2.10, 2.08, 1.84, 2.00),
    "belt": (1.10, 1.05, 1.08, 1.16),
    "roof": (1.70, 1.56, 1.66, 1.94),
    "screen_base": (0.36, 0.44, 0.50, 0.82),
    "screen_run": (0.42, 0.62, 0.54, 0.32),
    "tail_base": (-0.10, -0.68, -0.97, -0.98),
    "tail_run": (0.10, 0.50, 0.32, 0.08),
    "bonnet": (1.02, 0.93, 0.95, 1.02),
    "boot": (1.08, 0.98, 1.02, 1.12),
    "bed": (0.42, -0.10, -0.10, -0.10),
}


@dataclass(frozen=True)
class CarShape:
    """Sizes of a batch of cars in world units, every field of shape (B, 1)."""

    length: Tensor
    """Half length."""
    width: Tensor
    """Half width at the belt."""
    sill: Tensor
    """z of the body's underside."""
    belt: Tensor
    """z where the windows begin."""
    roof: Tensor
    """z of the roof's middle."""
    bonnet: Tensor
    """z of the bonnet's front edge."""
    boot: Tensor
    """z of the boot's rear edge."""
    screen_base: Tensor
    """x where the windscreen meets the belt."""
    screen_run: Tensor
    """How far back the windscreen's top lies of its base."""
    tail_base: Tensor
    """x where the rear window meets the belt."""
    tail_run: Tensor
    """How far forward the rear window's top lies of its base."""
    bed: Tensor
    """Depth of the load bed under the belt; negative means none."""
    wheel: Tensor
    """Radius of a wheel."""
    axle: Tensor
    """x of the front axle; the rear one is its mirror image."""
    corner: Tensor
    """Radius of the body's corners."""
    barrel: Tensor
    """How much the sides draw in towards the ends."""


@dataclass(frozen=True)
class Parts:
    """Signed distances to a car's parts, and where a point lies on them; each (B, P)."""

    body: Tensor
    wheels: Tensor
    bumpers: Tensor
    headlamps: Tensor
    tail_lamps: Tensor
    mirrors: Tensor
    arch: Tensor
    """Negative in a wheel's housing."""
    bed: Tensor
    """Negative in the load bed."""
    screen: Tensor
    """To the windscreen's plane, negative behind it; the four that follow likewise."""
    tail: Tensor
    top: Tensor
    side: Tensor
    waist: Tensor
    hub: Tensor
    """Distance from the nearest wheel's axis, in wheel radii."""

    def distance(self) -> Tensor:
        """Signed distance to the whole car, (B, P)."""
        bodywork = smooth_min(self.body, self.headlamps, 0.03)
        bodywork = smooth_min(bodywork, self.bumpers, 0.03)
        bodywork = smooth_min(bodywork, self.mirrors, 0.05)
        return torch.minimum(torch.minimum(bodywork, self.tail_lamps), self.wheels)


def car_shape(factors: ShapeFactors) -> CarShape:
    """Turn factors into sizes: the styles blend, the other factors vary what they give."""
    style = {name: _blend(factors.style, columns) for name, columns in STYLES.items()}
    lift = 0.12 * factors.lift
    length = style["length"] + 0.20 * (factors.length - 0.5)
    rake = 0.65 + 0.7 * factors.rake
    nose = factors.nose - 0.5
    ground = GROUND + lift
    return CarShape(
        length=length,
        width=0.86 + 0.16 * factors.width,
        sill=ground + 0.25,
        belt=ground + style["belt"],
        roof=ground + style["roof"] + 0.20 * (factors.roof - 0.5),
        bonnet=ground + style["bonnet"] + 0.12 * nose,
        boot=ground + style["boot"],
        screen_base=(style["screen_base"] + 0.10 * nose) * length,
        screen_run=style["screen_run"] * rake,
        tail_base=style["tail_base"] * length,
        tail_run=style["tail_run"] * rake,
        bed=style["bed"],
        wheel=0.35 + 0.11 * factors.wheels,
        axle=0.63 * length,
        corner=0.12 + 0.18 * factors.roundness,
        barrel=0.05 + 0.10 * factors.roundness,
    )


def car_distance(points: Tensor, car: CarShape) -> Tensor:
    """Signed distance to a batch of cars.

    Parameters
    ----------
    points
        World positions, shape (B, P, 3).
    car
        Sizes of the B cars.

    Returns
    -------
    Tensor
        World units, negative inside, shape (B, P).
    """
    return car_parts(points, car).distance()


def car_parts(points: Tensor, car: CarShape) -> Parts:
    """Signed distances to the parts of a batch of cars at points of shape (B, P, 3)."""
    x, y, z = points.unbind(dim=-1)
    side_y = y.abs()
    lower = _lower_body(x, side_y, z, car)
    screen, tail, top, side, waist = _greenhouse_planes(x, side_y, z, car)
    cabin_corner = 0.08 + 0.5 * car.corner
    cabin = _rounded_intersection((screen, tail, top, side, waist - 0.25), cabin_corner)
    arch_x = x.abs() - car.axle
    from_axle = _length(arch_x, z - GROUND - car.wheel)
    flare, arch = _fenders(from_axle, side_y, z, car)
    bed = _load_bed(x, side_y, z, car)
    body = smooth_max(smooth_min(lower, cabin, 0.07), -bed, 0.05)
    body = smooth_max(smooth_min(body, flare, 0.08), -arch, 0.04)
    return Parts(
        body=body,
        wheels=_wheels(from_axle, side_y, car),
        bumpers=_bumpers(x, side_y, z, car),
        headlamps=_headlamps(x, side_y, z, car),
        tail_lamps=_tail_lamps(x, side_y, z, car),
        mirrors=_mirrors(x, side_y, z, car),
        arch=arch,
        bed=bed,
        screen=screen,
        tail=tail,
        top=top,
        side=side,
        waist=waist,
        hub=from_axle / car.wheel,
    )


def surface_normal(points: Tensor, car: CarShape, step: float = 0.006) -> Tensor:
    """Outward unit normals by differences over a tetrahedron of points.

    Parameters
    ----------
    points
        World positions, shape (B, P, 3).
    car
        Sizes of the B cars.
    step
        Distance to the tetrahedron's corners, world units.

    Returns
    -------
    Tensor
        Unit vectors, shape (B, P, 3).
    """
    corners = torch.tensor(
        ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)),
        device=points.device,
        dtype=points.dtype,
    )
    around = (points[:, None] + step * corners[:, None, :]).flatten(1, 2)
    distances = car_distance(around, car).reshape(points.shape[0], 4, -1)
    return torch.nn.functional.normalize(torch.einsum("bkp,kc->bpc", distances, corners), dim=-1)


def smooth_min(first: Tensor, second: Tensor, blend: float) -> Tensor:
    """Union of two distances with a fillet about ``blend`` world units wide."""
    overlap = (blend - (first - second).abs()).clamp_min(0) / blend
    return torch.minimum(first, second) - overlap * overlap * (blend / 4)


def smooth_max(first: Tensor, second: Tensor, blend: float) -> Tensor:
    """Intersection of two distances with a fillet about ``blend`` world units wide."""
    return -smooth_min(-first, -second, blend)


def _lower_body(x: Tensor, side_y: Tensor, z: Tensor, car: CarShape) -> Tensor:
    ahead = ((x - car.screen_base) / (car.length - car.screen_base)).clamp(0, 1)
    behind = ((car.tail_base - x) / (car.length + car.tail_base).clamp_min(0.2)).clamp(0, 1)
    top = car.belt + (car.bonnet - car.belt) * ahead * (0.35 + 0.65 * ahead)
    top = top + (car.boot - car.belt) * behind
    along = x / car.length
    shoulder = z - 0.5 * (car.sill + car.belt)
    side = car.width * (1 - car.barrel * along**4) - 0.22 * shoulder**2
    end = x.abs() - car.length + 0.30 * (shoulder + 0.06) ** 2 + 0.10 * (side_y / car.width) ** 2
    underside = car.sill + 0.12 * along**4 - z
    return _rounded_intersection((z - top, underside, end, side_y - side), car.corner)


def _greenhouse_planes(
    x: Tensor, side_y: Tensor, z: Tensor, car: CarShape
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    rise = car.roof - car.belt
    above = z - car.belt
    bow = 0.08 * (side_y / car.width) ** 2
    screen = (rise * (x - car.screen_base + bow) + car.screen_run * above) / _length(
        rise, car.screen_run
    )
    tail = (rise * (car.tail_base - x + bow) + car.tail_run * above) / _length(rise, car.tail_run)
    middle = 0.5 * (car.screen_base + car.tail_base)
    top = z - car.roof + 0.05 * (x - middle) ** 2 + 0.07 * side_y**2
    side = (side_y - 0.94 * car.width + 0.20 * above + 0.03 * (x - middle) ** 2) / 1.02
    return screen, tail, top, side, -above


def _fenders(from_axle: Tensor, side_y: Tensor, z: Tensor, car: CarShape) -> tuple[Tensor, Tensor]:
    housing = car.wheel + 0.075
    across = (side_y - car.width + 0.24).abs() - 0.28
    flare = _rounded_intersection((from_axle - housing - 0.085, across, car.sill + 0.10 - z), 0.07)
    arch = torch.maximum(from_axle - housing, car.width - 0.42 - side_y)
    return flare, arch


def _load_bed(x: Tensor, side_y: Tensor, z: Tensor, car: CarShape) -> Tensor:
    front, rear = car.tail_base - 0.18, -car.length + 0.24
    along = (x - 0.5 * (front + rear)).abs() - 0.5 * (front - rear)
    return _rounded_intersection((along, side_y - car.width + 0.24, car.belt - car.bed - z), 0.06)


def _wheels(from_axle: Tensor, side_y: Tensor, car: CarShape) -> Tensor:
    across = (side_y - car.width + 0.15).abs() - 0.17
    dish = 0.035 * (1 - (from_axle / (0.62 * car.wheel)) ** 2).clamp_min(0).sqrt()
    return _rounded_intersection((from_axle - car.wheel, across - dish + 0.02), 0.07)


def _bumpers(x: Tensor, side_y: Tensor, z: Tensor, car: CarShape) -> Tensor:
    curve = 0.12 * (side_y / car.width) ** 2
    along = (x.abs() + curve - car.length + 0.02).abs() - 0.10
    up = (z - car.sill - 0.13).abs() - 0.085
    return _rounded_intersection((along, side_y - 0.90 * car.width, up), 0.075)


def _headlamps(x: Tensor, side_y: Tensor, z: Tensor, car: CarShape) -> Tensor:
    centre_z = _lamp_height(car)
    radial = _length(side_y - 0.64 * car.width, z - centre_z)
    return _length(radial, 1.3 * (x - car.length + 0.13)) - 0.155


def _tail_lamps(x: Tensor, side_y: Tensor, z: Tensor, car: CarShape) -> Tensor:
    along = (x + car.length - 0.10).abs() - 0.09
    across = (side_y - 0.70 * car.width).abs() - 0.09
    up = (z - _lamp_height(car) - 0.02).abs() - 0.14
    return _rounded_intersection((along, across, up), 0.07)


def _mirrors(x: Tensor, side_y: Tensor, z: Tensor, car: CarShape) -> Tensor:
    along = 1.3 * (x - car.screen_base + 0.16)
    return _length(_length(along, 0.8 * (side_y - 0.97 * car.width)), z - car.belt - 0.07) - 0.095


def _lamp_height(car: CarShape) -> Tensor:
    return 0.42 * (car.sill + 0.2) + 0.58 * (car.bonnet - 0.06)


def _rounded_intersection(planes: tuple[Tensor, ...], radius: Tensor | float) -> Tensor:
    """Intersection of half spaces (each a distance, negative inside) with rounded corners."""
    outside = torch.zeros_like(planes[0])
    largest = planes[0]
    for plane in planes:
        outside = outside + (plane + radius).clamp_min(0) ** 2
        largest = torch.maximum(largest, plane)
    return outside.sqrt() + (largest + radius).clamp_max(0) - radius


def _length(first: Tensor, second: Tensor) -> Tensor:
    return (first * first + second * second).sqrt()


def _blend(style: Tensor, columns: tuple[float, ...]) -> Tensor:
    """Walk through the styles, resting a while at each."""
    position = style * (len(columns) - 1)
    value = torch.full_like(style, columns[0])
    for index in range(len(columns) - 1):
        step = (position - index).clamp(0, 1)
        eased = step * step * (3 - 2 * step)
        value = value + (columns[index + 1] - columns[index]) * eased
    return value
