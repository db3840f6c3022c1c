"""Cameras and the rays through their pixels.

Conventions, stated once for the whole program: the world's z axis points up and the object sits
at the origin. A camera's axes follow OpenGL: x right, y up, looking along −z. Azimuth turns about
z from the x axis; elevation is measured above the horizon, so the polar angle is 90° − elevation.
Pixel (i, j) counts to the right and down; its ray passes through the integer coordinate, without
a half-pixel shift, along ``((i − cx) / fx, −(j − cy) / fy, −1)`` in the camera's axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from graf_cli.arrays import Array
from graf_cli.scene.intrinsics import HALF, Intrinsics, focal
from graf_cli.scene.spec import CameraSpec, PixelCentres

Point = tuple[float, float, float]

ORIGIN: Point = (0.0, 0.0, 0.0)
PARALLEL = 1e-9  # sine of the angle to "up" below which a camera looks along it


@dataclass(frozen=True, eq=False)
class Camera:
    """One view.

    Attributes
    ----------
    pose : ndarray, shape = (3, 4)
        Camera to world, ``[R | eye]``; the columns of R are the camera's axes.
    width, height : int
        Pixels.
    fov : float
        Across the width, in degrees; of no effect when orthographic, or beside `intrinsics`.
    near, far : float
        Depths of the first and the last sample along the optical axis, world units.
    radius_max : float or None
        Set for models trained over a range of radii: near and far then move with each ray's
        origin o, by ``|o| − radius_max``.
    orthographic : bool
        Parallel rays over a square of side ``far − near``.
    intrinsics : Intrinsics or None
        Of a pinhole that is more than a field of view; None is a centred one of square pixels.
    pixels : str
        What `fov` means, where there are no intrinsics. ``integer``: the ray of pixel (i, j) goes
        through the coordinates (i, j) of a picture from 0 to W, as GRAF and NeRF have it;
        ``centre``: through (i + ½, j + ½), as EG3D; ``corner``: the outermost pixels lie on the
        border of the field of view, as π-GAN and GIRAFFE.
    depths : str
        Near, far and all depths of samples are along the optical ``axis``, or along the ``ray``,
        whose directions then have length one.
    """

    pose: Array
    width: int
    height: int
    fov: float
    near: float
    far: float
    radius_max: float | None = None
    orthographic: bool = False
    intrinsics: Intrinsics | None = None
    pixels: PixelCentres = "integer"
    depths: Literal["axis", "ray"] = "axis"

    @property
    def eye(self) -> Array:
        """Position in the world, shape = (3,)."""
        return self.pose[:, 3]

    @property
    def focal(self) -> float:
        """Focal length across the width, in pixels."""
        return self.lens.fx

    @property
    def lens(self) -> Intrinsics:
        """The pinhole in pixels: fx, fy, cx, cy."""
        if self.intrinsics is not None:
            return self.intrinsics
        if self.pixels == "corner":
            f = focal(max(self.width - 1, 1), self.fov)
            return Intrinsics(f, f, (self.width - 1) * 0.5, (self.height - 1) * 0.5)
        f, shift = focal(self.width, self.fov), HALF if self.pixels == "centre" else 0.0
        return Intrinsics(f, f, self.width * 0.5 - shift, self.height * 0.5 - shift)


@dataclass(frozen=True, eq=False)
class Rays:
    """Rays of one camera.

    Attributes
    ----------
    origins : Tensor, shape = (n, 3)
    directions : Tensor, shape = (n, 3)
        Of length one along the optical axis, not normalised, so that depths along a ray are
        depths along the axis; of length one where `Camera.depths` says so.
    near, far : Tensor, shape = (n, 1)
    views : Tensor, shape = (n, 3), or None
        Unit viewing directions in the world, where they are not those of `directions`.
    """

    origins: Tensor
    directions: Tensor
    near: Tensor
    far: Tensor
    views: Tensor | None = None

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, index: slice | Tensor) -> Rays:
        views = None if self.views is None else self.views[index]
        ends = self.near[index], self.far[index]
        return Rays(self.origins[index], self.directions[index], *ends, views)


def pose_on_sphere(
    azimuth: float,
    elevation: float,
    radius: float,
    pivot: Point = ORIGIN,
) -> Array:
    """A camera on the sphere around the origin, looking at it, or at a pivot, with z up.

    Parameters
    ----------
    azimuth, elevation : float
        Degrees. At the poles, where "up" has no direction, the azimuth still gives one.
    radius : float
        World units.
    pivot : tuple of 3 floats
        World point.

    Returns
    -------
    ndarray, shape = (3, 4)
        Camera to world.
    """
    phi, theta = math.radians(azimuth), math.radians(90 - elevation)
    z = np.array(
        [math.sin(theta) * math.cos(phi), math.sin(theta) * math.sin(phi), math.cos(theta)]
    )
    x = np.array([-math.sin(phi), math.cos(phi), 0.0])
    if not any(pivot):
        return np.stack([x, np.cross(z, x), z, radius * z], axis=1)
    eye = radius * z
    z = (eye - pivot) / np.linalg.norm(eye - pivot)
    across = np.cross([0.0, 0.0, 1.0], z)
    length = np.linalg.norm(across)
    x = across / length if length > PARALLEL else x
    return np.stack([x, np.cross(z, x), z, eye], axis=1)


def azimuth_of(u: float) -> float:
    """Azimuth in degrees of ``u`` in [0, 1]."""
    return 360 * u


def elevation_of(v: float) -> float:
    """Elevation in degrees of ``v`` in [0, 1]; uniform in `v` is uniform on the sphere."""
    return 90 - math.degrees(math.acos(1 - 2 * v))


def camera_for(
    spec: CameraSpec,
    pose: Array,
    *,
    width: int,
    height: int,
    fov: float | None = None,
    intrinsics: Sequence[float] | None = None,
) -> Camera:
    """A camera at a pose, with the depths and the projection of a model.

    A model trained at one radius expects the object between its near and its far; when a camera
    stands nearer or farther than in training, both move along with it. Nothing is seen behind a
    camera, unless its rays are parallel and start anywhere. `CameraSpec.steady` says what counts
    as nearer or farther.

    Intrinsics (fx, fy, cx, cy) stand in for `fov`. Those that a field of view says to the last
    bit become one, so that the same view is the same camera however it was told.
    """
    lens = None if intrinsics is None or spec.orthographic else Intrinsics(*intrinsics)
    if lens is not None:
        plain = lens.plain_fov(width, height) if spec.pixels == "integer" else None
        fov, lens = (lens.fov(width), lens) if plain is None else (plain, None)
    distance = float(np.linalg.norm(pose[:, 3]))
    high = spec.radius[1]
    off_radius = not spec.radius_varies and abs(distance - high) > spec.steady * high
    shift = distance - high if off_radius else 0.0
    near, behind = spec.near + shift, spec.radius_varies or spec.orthographic
    return Camera(
        pose=pose,
        width=width,
        height=height,
        fov=spec.fov if fov is None else fov,
        near=near if behind else max(near, 0.0),
        far=spec.far + shift,
        radius_max=high if spec.radius_varies else None,
        orthographic=spec.orthographic,
        intrinsics=lens,
        pixels=spec.pixels,
        depths=spec.depths,
    )


def rays(
    camera: Camera,
    *,
    device: torch.device,
    dtype: torch.dtype,
    start: int = 0,
    stop: int | None = None,
) -> Rays:
    """Rays through the pixels `start` to `stop`, counted row by row.

    Returns
    -------
    Rays
        World frame, on `device`.
    """
    stop = camera.width * camera.height if stop is None else stop
    pixel = torch.arange(start, stop, device=device, dtype=torch.int64)
    return rays_through(camera, pixel, dtype=dtype)


def rays_through(camera: Camera, pixel: Tensor, *, dtype: torch.dtype) -> Rays:
    """Rays through some pixels.

    Parameters
    ----------
    camera : Camera
    pixel : Tensor of int64, shape = (n,)
        Counted row by row.
    dtype : torch.dtype

    Returns
    -------
    Rays
        World frame, on the device of `pixel`.
    """
    device = pixel.device
    column, row = (pixel % camera.width).to(dtype), (pixel // camera.width).to(dtype)
    pose = torch.as_tensor(camera.pose, device="cpu", dtype=dtype).to(device=device)
    rotation, eye = pose[:, :3], pose[:, 3]
    if camera.orthographic:
        i, j = column - camera.width * 0.5, row - camera.height * 0.5
        step = (camera.far - camera.near) / camera.width
        offset = torch.stack((i * step, -j * step * camera.width / camera.height, 0 * i), dim=-1)
        origins = eye + _rotate(offset, rotation)
        directions = (-rotation[:, 2]).expand_as(origins)
    else:
        fx, fy, cx, cy = camera.lens
        i, j = column - cx, row - cy
        local = torch.stack((i / fx, -j / fy, torch.full_like(i, -1)), dim=-1)
        if camera.depths == "ray":
            local = local / local.norm(dim=-1, keepdim=True)
        directions = _rotate(local, rotation)
        origins = eye.expand_as(directions)
    return Rays(origins, directions, *_bounds(camera, origins))


def along_axis(camera: Camera, pixel: Tensor, *, dtype: torch.dtype) -> Tensor:
    """What a depth along each pixel's ray is multiplied by to be one along the axis.

    Returns
    -------
    Tensor, shape = (n,)
        In (0, 1]; 1 everywhere for a camera whose depths are along the axis.
    """
    column, row = (pixel % camera.width).to(dtype), (pixel // camera.width).to(dtype)
    if camera.depths == "axis":
        return torch.ones_like(column)
    fx, fy, cx, cy = camera.lens
    return (1 + ((column - cx) / fx) ** 2 + ((row - cy) / fy) ** 2).rsqrt()


def _rotate(vectors: Tensor, rotation: Tensor) -> Tensor:
    """Written out, since a matrix product may run at reduced precision on some devices."""
    return (vectors[:, None, :] * rotation).sum(-1)


def _bounds(camera: Camera, origins: Tensor) -> tuple[Tensor, Tensor]:
    shift = torch.zeros_like(origins[:, :1])
    if camera.radius_max is not None:
        # Contiguous, because the high octaves of the encoding feel the last bit of a depth, and
        # the norm of a strided tensor may round differently.
        shift = origins.contiguous().norm(dim=-1, keepdim=True) - camera.radius_max
    return camera.near + shift, camera.far + shift
