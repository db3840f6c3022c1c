"""Objects of a scene that stand in boxes of their own, and where a camera sees these."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from graf_cli.arrays import Array
from graf_cli.scene.camera import Camera
from graf_cli.scene.intrinsics import HALF

NEAREST = 1e-3  # world units before the camera: what is nearer cannot be projected

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class OrientedBox:
    """One object in its box.

    Attributes
    ----------
    number : int
        By which codes, controls and masks know it.
    exists : bool
    pose : ndarray, shape = (4, 4)
        Box to world: a rotation and the box's centre.
    half : tuple of 3 floats
        Half the sides of the box along its own axes, world units. Nothing of the object is
        outside.
    """

    number: int
    exists: bool
    pose: Array
    half: tuple[float, float, float]

    @property
    def corners(self) -> Array:
        """World points of the box's corners, shape = (8, 3); z changes fastest, x slowest."""
        signs = np.array([*itertools.product((-1.0, 1.0), repeat=3)])
        points: Array = signs * self.half @ self.pose[:3, :3].T + self.pose[:3, 3]
        return points


def seen_by(camera: Camera, pose: Array) -> Array:
    """A pose in the camera's axes (x right, y up, looking along −z), shape = (4, 4)."""
    rotation = camera.pose[:, :3]
    found = np.eye(4)
    found[:3, :3] = rotation.T @ pose[:3, :3]
    found[:3, 3] = rotation.T @ (pose[:3, 3] - camera.eye)
    return found


def rectangle(camera: Camera, placed: OrientedBox) -> Rectangle | None:
    """The rectangle around the projection of a box, hidden parts included.

    Edges that go behind the camera end before it, so that the rectangle holds of any box all that
    is seen. It is the smallest one of a box that is in the picture as a whole.

    Returns
    -------
    tuple of 4 floats, or None
        Left, top, right and bottom, in pixels from the picture's upper left corner, so that pixel
        (i, j) is from (i, j) to (i + 1, j + 1); cut off at the picture's border. None where
        nothing is left of it.
    """
    points = (placed.corners - camera.eye) @ camera.pose[:, :3]
    points = points.reshape(2, 2, 2, 3)
    found = [point for point in points.reshape(8, 3) if point[2] <= -NEAREST]
    for axis in range(3):  # the four edges along it
        for a, b in zip(*(np.take(points, end, axis).reshape(4, 3) for end in (0, 1)), strict=True):
            if (a[2] <= -NEAREST) != (b[2] <= -NEAREST):
                found.append(a + (b - a) * ((-NEAREST - a[2]) / (b[2] - a[2])))
    if not found:
        return None
    x, y, z = np.array(found).T
    fx, fy, cx, cy = camera.lens  # to pixels' centres, half a pixel from their corners
    across, down = fx * x / -z + cx + HALF, -fy * y / -z + cy + HALF
    left, right = np.clip((across.min(), across.max()), 0, camera.width)
    top, bottom = np.clip((down.min(), down.max()), 0, camera.height)
    if left >= right or top >= bottom:
        return None
    return float(left), float(top), float(right), float(bottom)
