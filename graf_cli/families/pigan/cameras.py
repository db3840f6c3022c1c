"""The authors' cameras, and ours.

Their world has y up, the camera stands on the unit sphere at the yaw θ and the polar angle φ
("pitch"), ``eye = (sin φ cos θ, cos φ, sin φ sin θ)``, and looks at the origin. Their point
(x, y, z) is ours (z, x, y), so that ``azimuth = 90° − θ`` and ``elevation = 90° − φ``, and azimuth
0 looks a face in the face. Camera axes are ours: x right, y up, looking along −z.

The outermost pixels' centres lie on the border of the field of view, and a ray's direction has
length one, so that depths are distances from the camera.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from graf_cli.arrays import Array
from graf_cli.families.pigan.draws import NORMALS
from graf_cli.families.pigan.spec import Views
from graf_cli.scene.camera import Rays, pose_on_sphere

POLE = 1e-5  # polar angles, and shares of a sphere, keep this far from either end
RADIUS = 1.0  # of the sphere that cameras stand on, in every mode
WITHIN = 2.0  # standard deviations that a truncated normal keeps to
VIDEO_YAW, VIDEO_PITCH = 0.4, 0.2  # swing of the trajectory ``front``, radians
VIDEO_FOV = 12.0  # degrees that a video zooms about, whatever the model
ZOOM = 5.0
ORBIT_PITCH = math.pi / 4
YAWS = (-0.5, -0.25, 0.0, 0.25, 0.5)  # of a sheet of several views, about the mean

Program = Literal["multiview", "video", "interpolation"]
Trajectory = Literal["front", "orbit"]


@dataclass(frozen=True)
class View:
    """One camera in their terms.

    Attributes
    ----------
    horizontal, vertical : float
        What a program of theirs asks for; see `angles`.
    fov : float
        Degrees.
    """

    horizontal: float
    vertical: float
    fov: float


def angles(views: Views, horizontal: Tensor, vertical: Tensor) -> tuple[Tensor, Tensor]:
    """Yaw and pitch of what a program asks for.

    On the sphere, ``spherical_uniform``, the vertical number is π times the share of the sphere
    above the camera: π/4 is a pitch of 60°.

    Returns
    -------
    Tensor, Tensor
        Radians, shape as given; the pitch keeps off the poles.
    """
    if views.distribution == "spherical_uniform":
        share = (vertical / math.pi).clamp(POLE, 1 - POLE)
        vertical = torch.arccos(1 - 2 * share)
    return horizontal, vertical.clamp(POLE, math.pi - POLE)


def sampled(
    views: Views, count: int, source: torch.Generator, python: random.Random
) -> tuple[Tensor, Tensor]:
    """Yaw and pitch as training draws them.

    Parameters
    ----------
    views : Views
    count : int
    source : Generator
        On the CPU.
    python : random.Random
        Asked by the mode ``hybrid`` alone, once a call.

    Returns
    -------
    Tensor, Tensor, shape = (count, 1)
        Radians.
    """
    draw, spread = _drawing(views, python)
    (h_mean, h_spread), (v_mean, v_spread) = views.horizontal, views.vertical
    if views.distribution == "spherical_uniform":
        horizontal = draw(count, source) * h_spread + h_mean
        share = draw(count, source) * (v_spread / math.pi) + v_mean / math.pi
        share = share.clamp(POLE, 1 - POLE)
        return horizontal, torch.arccos(1 - 2 * share).clamp(POLE, math.pi - POLE)
    horizontal = draw(count, source) * (spread * h_spread) + h_mean
    vertical = draw(count, source) * (spread * v_spread) + v_mean
    return horizontal, vertical.clamp(POLE, math.pi - POLE)


def _drawing(
    views: Views, python: random.Random
) -> tuple[Callable[[int, torch.Generator], Tensor], float]:
    """How one angle is drawn, about 0 with spread 1, and by how much the spread is widened."""
    match views.distribution:
        case "uniform" | "spherical_uniform":
            return _uniform, 1.0
        case "normal" | "gaussian":
            return _normal, 1.0
        case "truncated_gaussian":
            return _truncated, 1.0
        case "hybrid":
            return (_uniform, 2.0) if python.random() < 0.5 else (_normal, 1.0)
        case "none":
            return _nothing, 1.0


def _uniform(count: int, source: torch.Generator) -> Tensor:
    drawn = torch.rand((count, 1), generator=source, device="cpu", dtype=torch.float32)
    return (drawn - 0.5) * 2


def _normal(count: int, source: torch.Generator) -> Tensor:
    return torch.randn((count, 1), generator=source, device="cpu", dtype=torch.float32)


def _truncated(count: int, source: torch.Generator) -> Tensor:
    """The first of four normals that keeps within two standard deviations."""
    shape = (count, 1, NORMALS)
    drawn = torch.randn(shape, generator=source, device="cpu", dtype=torch.float32)
    first = (drawn.abs() < WITHIN).to(torch.uint8).argmax(dim=-1, keepdim=True)
    return drawn.gather(-1, first)[..., 0]


def _nothing(count: int, _: torch.Generator) -> Tensor:
    return torch.zeros((count, 1), device="cpu", dtype=torch.float32)


def pose(yaw: float, pitch: float) -> Array:
    """Camera to world in our frame, shape = (3, 4)."""
    return pose_on_sphere(90 - math.degrees(yaw), 90 - math.degrees(pitch), RADIUS)


def to_theirs(ours: Array) -> Array:
    """A pose in our frame, shape = (3, 4), as they have it, shape = (4, 4)."""
    return np.concatenate([np.roll(ours, -1, axis=0), np.eye(4)[3:]])


def from_theirs(theirs: Array) -> Array:
    """A pose in their frame, shape = (4, 4) or (3, 4), as we have it, shape = (3, 4)."""
    return np.roll(theirs[:3], 1, axis=0)


def focal(width: int, fov: float) -> float:
    """Focal length in pixels of a field of view, degrees, from first to last pixel's centre."""
    return (width - 1) / (2 * math.tan(math.radians(fov) / 2))


def local_directions(width: int, height: int, fov: float) -> Tensor:
    """Unit directions of all pixels in the camera's frame, row by row, shape = (H·W, 3).

    The principal point is at the pixel ((W − 1) / 2, (H − 1) / 2). Rounded as the authors' are,
    in float32 throughout, since a second pass can feel the last bit of a direction.
    """
    across = torch.linspace(-1, 1, width, device="cpu", dtype=torch.float32)
    down = torch.linspace(1, -1, height, device="cpu", dtype=torch.float32)
    if height != width:
        down = down * ((height - 1) / max(width - 1, 1))
    y, x = torch.meshgrid(down, across, indexing="ij")
    z = torch.full_like(x, -1 / math.tan(math.radians(fov) / 2))
    towards = torch.stack((x, y, z), dim=-1).reshape(-1, 3)
    unit: Tensor = towards / towards.norm(dim=-1, keepdim=True)
    return unit


def rays(pose: Array, width: int, height: int, *, fov: float, near: float, far: float) -> Rays:
    """Rays of all pixels in our world, row by row, float32 on the CPU.

    Parameters
    ----------
    pose : ndarray, shape = (3, 4)
        Camera to world, our frame.
    width, height : int
    fov : float
        Degrees, across the width.
    near, far : float
        Distances from the camera.
    """
    matrix = torch.as_tensor(pose, device="cpu", dtype=torch.float32)
    local = local_directions(width, height, fov)
    directions = (local[:, None, :] * matrix[:, :3]).sum(-1)
    ends = (torch.full_like(local[:, :1], end) for end in (near, far))
    return Rays(matrix[:, 3].expand_as(directions), directions, *ends)


def trajectory(
    program: Program, way: Trajectory, views: Views, fov: float, frames: int = 36
) -> list[View]:
    """What their programs ask for, picture after picture.

    Parameters
    ----------
    program : str
    way : str
        Of no effect for ``multiview``.
    views : Views
        Of the model; its means are where ``multiview`` stands.
    fov : float
        Of the model, degrees.
    frames : int
        Of a video; the first one comes again at the end.
    """
    (middle, _), (vertical, _) = views.horizontal, views.vertical
    if program == "multiview":
        return [View(middle + yaw, vertical, fov) for yaw in YAWS]
    return [view_at(program, way, fov, k / max(frames - 1, 1)) for k in range(frames)]


def view_at(program: Program, way: Trajectory, fov: float, t: float) -> View:
    """Of a video of theirs, at `t` in [0, 1]."""
    turn = 2 * math.pi * t
    interpolates = program == "interpolation"
    if way == "front":
        zoom = (fov if interpolates else VIDEO_FOV) + ZOOM + ZOOM * math.sin(turn)
        return View(
            math.pi / 2 + VIDEO_YAW * math.sin(turn),
            math.pi / 2 + VIDEO_PITCH * math.cos(turn),
            zoom,
        )
    swing = VIDEO_PITCH * math.cos(turn) if interpolates else 0.0
    return View(turn, ORBIT_PITCH + swing, fov)
