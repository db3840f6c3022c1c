"""Where several cameras stand around one object: at random, or spread evenly over a cap."""

from __future__ import annotations

import math

from graf_cli.arrays import Array
from graf_cli.scene.camera import ORIGIN, Point, pose_on_sphere

GOLDEN = (math.sqrt(5) - 1) / 2  # the turn between neighbours that fills a sphere most evenly

Range = tuple[float, float]


def scattered(
    azimuth: Range,
    elevation: Range,
    radius: Range,
    draw: tuple[float, float, float],
    pivot: Point = ORIGIN,
) -> Array:
    """A camera drawn at random: uniform on the part of the sphere, uniform in the radius.

    Parameters
    ----------
    azimuth, elevation : (float, float)
        Ends of the part, degrees.
    radius : (float, float)
        World units.
    draw : 3 floats
        Uniform in [0, 1).
    pivot : 3 floats
        What the camera looks at, world units.

    Returns
    -------
    ndarray, shape = (3, 4)
        Camera to world, looking at the pivot.
    """
    angles = between(azimuth, draw[0]), _elevation(elevation, draw[1])
    return pose_on_sphere(*angles, between(radius, draw[2]), pivot)


def spread(  # noqa: PLR0917 a place among places
    azimuth: Range,
    elevation: Range,
    radius: float,
    view: int,
    views: int,
    pivot: Point = ORIGIN,
) -> Array:
    """One of `views` cameras on a Fibonacci lattice, the lowest first.

    Heights are the middles of as many bands of equal area; azimuths go on by the golden section
    of the range, so that every camera looks after about as much of the sphere as any other.

    Returns
    -------
    ndarray, shape = (3, 4)
        Camera to world, looking at the pivot.
    """
    turn = math.fmod(view * GOLDEN, 1.0)
    height = _elevation(elevation, (view + 0.5) / views)
    return pose_on_sphere(between(azimuth, turn), height, radius, pivot)


def _elevation(bounds: Range, t: float) -> float:
    """Equal steps of `t` are equal areas between two elevations (Archimedes)."""
    low, high = (math.sin(math.radians(bound)) for bound in bounds)
    return math.degrees(math.asin(between((low, high), t)))


def between(bounds: Range, t: float) -> float:
    """Linear, from the first bound on."""
    return bounds[0] + (bounds[1] - bounds[0]) * t
