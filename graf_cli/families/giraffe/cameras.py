"""The release's cameras, to the bit: poses, and rays through corner-aligned pixels.

The camera stands on a sphere around the origin, z is up, and the feature map's outermost pixel
centres lie on the border of the field of view: pixel (column i, row j) of N looks along
``(X tan(fov/2), Y tan(fov/2), −1)`` with ``X = 2i/(N−1) − 1`` and ``Y = 1 − 2j/(N−1)``. That is a
pinhole with focal length ``(N−1)/(2 tan(fov/2))`` pixels and its centre at ``(N−1)/2``.

A picture of S pixels is painted of such a map by upsamplings that are symmetric, so that it is a
pinhole picture too: focal length ``S(N−1)/(2N tan(fov/2))``, centre at ``(S−1)/2``.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from graf_cli.arrays import Array
from graf_cli.scene.camera import Rays

SMALLEST_NORM = 1e-5  # of the camera's axes in the release, whose view from the pole is degenerate


def pose(u: float, v: float, radius: float) -> Array:
    """Camera to world, shape = (3, 4), float32 numbers.

    Parameters
    ----------
    u : float
        Azimuth / 360°.
    v : float
        ``(1 − cos polar) / 2``.
    radius : float
    """
    polar, azimuth = math.acos(1 - 2 * v), 2 * math.pi * u
    unit = (
        math.sin(polar) * math.cos(azimuth),
        math.sin(polar) * math.sin(azimuth),
        math.cos(polar),
    )
    eye = (np.array(unit).astype(np.float32) * np.float32(radius)).astype(np.float64)
    z = eye / np.linalg.norm(eye)
    x = np.cross((0.0, 0.0, 1.0), z)
    x = x / max(float(np.linalg.norm(x)), SMALLEST_NORM)
    y = np.cross(z, x)
    y = y / max(float(np.linalg.norm(y)), SMALLEST_NORM)
    return np.stack([x, y, z, eye], axis=1).astype(np.float32).astype(np.float64)


def camera_inverse(fov: float) -> Tensor:
    """From homogeneous plane coordinates to the camera's, shape = (4, 4), float32."""
    focal = 1 / math.tan(math.radians(fov) / 2)
    matrix = torch.diag(torch.tensor([focal, focal, 1, 1], device="cpu", dtype=torch.float32))
    return torch.inverse(matrix)


def plane(size: int) -> Tensor:
    """Plane coordinates X, Y of all pixels row by row, shape = (size², 2), float32."""
    along = torch.arange(size, device="cpu", dtype=torch.float32)
    along = 2 * along / (size - 1) - 1
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack((x.flatten(), -y.flatten()), dim=-1)


def release_rays(world: Array, fov: float, size: int, ends: tuple[float, float]) -> Rays:
    """Rays through all pixels of a feature map, row by row, in the release's order of operations.

    Parameters
    ----------
    world : ndarray, shape = (3, 4)
        Of `pose`.
    fov : float
        Degrees.
    size : int
        Pixels along a side.
    ends : tuple of float
        Depths of the first and of the last sample.

    Returns
    -------
    Rays
        Float32 on the CPU.
    """
    matrix = torch.eye(4, device="cpu", dtype=torch.float32)
    matrix[:3] = torch.as_tensor(world, device="cpu", dtype=torch.float32)
    ones = torch.ones((size * size, 1), device="cpu", dtype=torch.float32)
    points = torch.cat((plane(size), -ones, ones), dim=-1)
    # Pixels first, then differences: the high octaves feel the last bit of either.
    pixels = (matrix @ camera_inverse(fov) @ points.T).T[:, :3].contiguous()
    eyes = matrix[:3, 3].expand_as(pixels)
    near, far = (ones * end for end in ends)
    return Rays(eyes, pixels - eyes, near, far)
