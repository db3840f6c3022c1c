"""Intrinsics of a pinhole: where a pixel's ray goes.

Letters, as everywhere in the program: pixel (i, j) counts from 0 to the right and down, and its
ray has the camera direction ``((i − cx) / fx, −(j − cy) / fy, −1)``. A picture's middle is
``cx = W / 2``, ``cy = H / 2``, without a half-pixel shift, as in the authors' release.

Most other programs put the centre of pixel (i, j) at (i + 0.5, j + 0.5). Their principal point is
half a pixel more than ours in both directions, for the same ray.
"""

from __future__ import annotations

import math
from typing import NamedTuple

HALF = 0.5  # pixels from an integer coordinate to what others call the same pixel's centre
DIGITS = 9  # of a field of view as people write it, degrees


class Intrinsics(NamedTuple):
    """Focal lengths and principal point in pixels, in the release's convention.

    Attributes
    ----------
    fx, fy : float
        Focal lengths.
    cx, cy : float
        Principal point: the pixel coordinate whose ray is the optical axis.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def direction(self, i: float, j: float) -> tuple[float, float, float]:
        """Camera direction through a pixel coordinate, of length one along the axis."""
        return (i - self.cx) / self.fx, -(j - self.cy) / self.fy, -1.0

    def pixel(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Pixel coordinate at which a point in front of the camera (z < 0) is seen."""
        return self.cx - self.fx * x / z, self.cy + self.fy * y / z

    def scaled(self, size: tuple[int, int], to: tuple[int, int]) -> Intrinsics:
        """Those of the same view in pictures of another size.

        The edges of the picture stay where they are, and so does each pixel's area: coordinates
        scale about the picture's corner, half a pixel before the first integer coordinate.
        """
        sx, sy = to[0] / size[0], to[1] / size[1]
        return Intrinsics(
            self.fx * sx, self.fy * sy,
            (self.cx + HALF) * sx - HALF, (self.cy + HALF) * sy - HALF,
        )  # fmt: skip

    def fov(self, width: int) -> float:
        """Field of view across a picture that is `width` pixels wide, were it centred, degrees."""
        return math.degrees(2 * math.atan(width / 2 / self.fx))

    def plain_fov(self, width: int, height: int) -> float | None:
        """The field of view that alone says all this to the last bit, if there is one."""
        if self.fx != self.fy or (self.cx, self.cy) != (width / 2, height / 2):
            return None
        exact = self.fov(width)
        found = (fov for fov in (round(exact, DIGITS), exact) if focal(width, fov) == self.fx)
        return next(found, None)


def focal(width: int, fov: float) -> float:
    """Focal length in pixels, ``(W / 2) / tan(fov / 2)``, of a field of view in degrees."""
    return width / 2 / math.tan(math.radians(fov) / 2)


def same_shape(size: tuple[int, int], to: tuple[int, int]) -> bool:
    """Whether pictures of one size shrink or grow into the other, up to rounding to a pixel."""
    (w, h), (width, height) = size, to
    return abs(width * h / w - height) < 1 or abs(height * w / h - width) < 1
