"""The family: a pair of latent codes becomes a toy car that can be asked anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tools.toycars.codes import appearance_factors, shape_factors
from tools.toycars.paint import CarPaint, car_colour, car_paint
from tools.toycars.shape import CarShape, car_distance, car_shape, surface_normal


@dataclass(frozen=True)
class Cars:
    """A batch of B toy cars."""

    shape: CarShape
    paint: CarPaint

    def distance(self, points: Tensor) -> Tensor:
        """Signed distance, (B, P), at world points of shape (B, P, 3)."""
        return car_distance(points, self.shape)

    def normal(self, points: Tensor) -> Tensor:
        """Outward unit normals, (B, P, 3), at world points of the same shape."""
        return surface_normal(points, self.shape)

    def colour(self, points: Tensor, directions: Tensor) -> Tensor:
        """RGB in [0, 1] of surface points seen along unit directions, all (B, P, 3)."""
        return car_colour(points, directions, self.shape, self.paint)

    def nearest(self, points: Tensor, steps: int = 2) -> Tensor:
        """Move points near the surface onto it; all (B, P, 3)."""
        for _ in range(steps):
            points = points - self.distance(points)[..., None] * self.normal(points)
        return points


def cars(shape_codes: Tensor, appearance_codes: Tensor) -> Cars:
    """Make cars from codes whose entries are N(0, 1).

    Parameters
    ----------
    shape_codes, appearance_codes
        Shapes (B, S) and (B, A), one device and dtype. With appearance codes of shape (B, P, A)
        every point whose colour is asked for has an appearance of its own.

    Returns
    -------
    Cars
        The B cars, on the codes' device.
    """
    return Cars(
        shape=car_shape(shape_factors(shape_codes)),
        paint=car_paint(appearance_factors(appearance_codes)),
    )
