"""Cameras of EG3D: labels of 25 numbers, the authors' orbit, and what is theirs in our axes.

Theirs: y up, faces look along +z; a camera's axes are OpenCV's (x right, y down, z forward).
Ours: z up, OpenGL's axes (x right, y up, looking along −z). Our (x, y, z) is their (z, x, y).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from graf_cli.arrays import Array
from graf_cli.families.eg3d.spec import Spec
from graf_cli.scene.camera import Camera, Rays
from graf_cli.scene.labels import TO_OURS, TO_THEIRS, label_of, lens_of

__all__ = [
    "TO_OURS", "TO_THEIRS", "box_ends", "default_pose", "elevation_of_pitch", "filled",
    "focal_of_diagonal", "intrinsics_of", "label_of", "label_of_camera", "looking_at", "orbit",
    "rays_of_label",
]  # fmt: skip


def intrinsics_of(focal: float) -> Array:
    """Of a camera whose axis goes through the middle, shape = (3, 3)."""
    return np.array([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0]])


def default_pose(spec: Spec, azimuth: float = 0.0, elevation: float = 0.0) -> Array:
    """Our camera to world, shape = (3, 4), on the training sphere, in degrees."""
    return orbit(azimuth, elevation, spec.radius, np.array(spec.pivot))


def orbit(azimuth: float, elevation: float, radius: float, pivot: Array) -> Array:
    """Our camera to world, shape = (3, 4), in degrees.

    The sphere lies around the origin, but the camera looks at the pivot, shape = (3,), which is
    given in the authors' axes.
    """
    turn, height = math.radians(azimuth), math.radians(elevation)
    flat = math.cos(height)
    towards = np.array([flat * math.cos(turn), flat * math.sin(turn), math.sin(height)])
    return looking_at(radius * towards, np.asarray(pivot, np.float64)[[*TO_OURS]])


def focal_of_diagonal(degrees: float) -> float:
    """Focal length, in widths, of what the authors call `fov_deg`, with their rounded constants."""
    return 1 / (1.414 * math.tan(degrees * 3.14159 / 360))


def looking_at(eye: Array, pivot: Array) -> Array:
    """Our camera to world, shape = (3, 4), with z up."""
    back = eye - pivot
    back = back / np.linalg.norm(back)
    right = np.cross(np.array([0.0, 0.0, 1.0]), back)
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back, eye], axis=1)


def elevation_of_pitch(pitch: float) -> float:
    """Degrees of the authors' pitch, which is no angle: its sine is even."""
    # The authors hold their v = π/2 + pitch to [1e-5, π − 1e-5].
    v = min(max(math.pi / 2 + pitch, 1e-5), math.pi - 1e-5)
    return 90 - math.degrees(math.acos(1 - 2 * v / math.pi))


def rays_of_label(label: Array, n: int, near: float, far: float, *, dtype: torch.dtype) -> Rays:
    """Rays of n × n pixels, row by row, in our axes, on the CPU.

    A pixel's ray goes through its centre. Directions have length one, so that depths are
    distances.
    """
    numbers = torch.as_tensor(np.asarray(label), device="cpu", dtype=dtype)
    pose, k = numbers[:16].reshape(4, 4), numbers[16:].reshape(3, 3)
    centres = (torch.arange(n, device="cpu", dtype=dtype) + 0.5) / n
    v, u = (grid.reshape(-1) for grid in torch.meshgrid(centres, centres, indexing="ij"))
    fx, skew, cx, fy, cy = k[0, 0], k[0, 1], k[0, 2], k[1, 1], k[1, 2]
    x = (u - cx + cy * skew / fy - skew * v / fy) / fx
    local = torch.stack((x, (v - cy) / fy, torch.ones_like(x)), dim=-1)
    turned = (local[:, None, :] * pose[:3, :3]).sum(-1)
    directions = (turned / turned.norm(dim=-1, keepdim=True))[:, [*TO_OURS]]
    origins = pose[:3, 3][[*TO_OURS]].expand_as(directions)
    ends = (torch.full_like(x[:, None], end) for end in (near, far))
    return Rays(origins, directions, *ends)


def label_of_camera(camera: Camera) -> Array:
    """The label of one of our cameras."""
    return label_of(camera.pose, lens_of(camera.lens, (camera.width, camera.height)))


# the box


def box_ends(rays: Rays, side: float) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave the cube of a side around the origin, shape = (n, 1).

    A ray that misses gets −1 and −2.
    """
    half = side / 2
    inverse = 1 / rays.directions
    low, high = (-half - rays.origins) * inverse, (half - rays.origins) * inverse
    start = torch.minimum(low, high).amax(dim=-1, keepdim=True)
    end = torch.maximum(low, high).amin(dim=-1, keepdim=True)
    hit = start <= end
    return torch.where(hit, start, -1.0), torch.where(hit, end, -2.0)


def filled(start: Tensor, end: Tensor, picture: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Ends for rays that miss the box, as the authors have them.

    They go from the smallest start to the largest *start* of the rays that hit.

    Parameters
    ----------
    start, end : Tensor, shape = (n, 1)
    picture : tuple of Tensor
        Starts and ends of all rays of the picture.
    """
    starts = picture[0][picture[1] > picture[0]]
    if not len(starts):
        return start, end
    hit = end > start
    return torch.where(hit, start, starts.min()), torch.where(hit, end, starts.max())
