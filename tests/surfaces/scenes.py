"""Analytic fields as objects that can be exported, and what the exact integrator sees of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from graf_cli.arrays import Array
from graf_cli.rendering.integrator import integrate
from graf_cli.rendering.shot import Shot
from graf_cli.scene.camera import Camera, camera_for, pose_on_sphere, rays
from graf_cli.scene.codes import Subject
from graf_cli.scene.spec import CameraSpec
from graf_cli.scene.volume import Quadrature, Scene
from tests.conftest import CPU

CAMERA = CameraSpec(near=2.6, far=5.4, radius=(4.0, 4.0), fov=40.0, v=(0.1, 0.6))

STEPS = Quadrature(samples=48)

Field = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Volume:
    """Raw density and colours in [0, 1] of a function of points and directions."""

    channels = 3

    def __init__(self, field: Field) -> None:
        self.field = field

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return points, self.field(points, torch.zeros_like(points))[0]

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        return self.field(features, directions)[1]


@dataclass(frozen=True)
class Objects:
    """What makes scenes of one field, as a generator does."""

    field: Field
    quadrature: Quadrature = STEPS
    camera: CameraSpec = CAMERA
    device: torch.device = CPU

    def conditioned_on_camera(self, subject: Subject) -> bool:
        return False

    def scene(self, subject: Subject, *, samples: int, camera: Camera) -> Scene:
        volume = Volume(self.field)
        quadrature = replace(self.quadrature, samples=samples)
        return Scene((volume,), quadrature, b"field", b"field")

    def view(
        self,
        azimuth: float,
        elevation: float,
        size: int,
        *,
        radius: float | None = None,
        fov: float | None = None,
    ) -> Camera:
        """A camera of the model's, or with another radius or field of view."""
        distance = self.camera.radius[1] if radius is None else radius
        pose = pose_on_sphere(azimuth, elevation, distance, self.camera.pivot)
        return camera_for(self.camera, pose, width=size, height=size, fov=fov)

    def shot(self, size: int = 32) -> Shot:
        return Shot(
            Subject({}), self.view(30, 20, size), self.quadrature.samples, background=(1, 1, 1)
        )

    @torch.inference_mode()
    def exact(self, camera: Camera) -> Array:
        """Colours on white, shape = (H, W, 3)."""
        scene = self.scene(Subject({}), samples=self.quadrature.samples, camera=camera)
        through = rays(camera, device=CPU, dtype=torch.float32)
        seen = integrate(scene, through, chunk=1 << 14)
        rgb = seen.radiance + (1 - seen.opacity)[:, None]
        shape = (camera.height, camera.width, 3)
        return np.asarray(rgb.clamp(0, 1).numpy().reshape(shape), dtype=np.float64)


def rainbow(points: Tensor) -> Tensor:
    """Smooth colours of places."""
    return 0.5 + 0.4 * torch.sin(2 * points + torch.arange(3, device="cpu", dtype=points.dtype))


def ball(points: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    """Opaque, of radius 0.9."""
    return 60 * (0.9 - points.norm(dim=-1)), rainbow(points)


def shiny(points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """The same, with a light that moves with the eye."""
    unit = torch.nn.functional.normalize(points, dim=-1)
    light = (-(unit * directions).sum(dim=-1)).clamp(min=0)[:, None] ** 4
    return 60 * (0.9 - points.norm(dim=-1)), (0.6 * rainbow(points) + 0.4 * light).clamp(0, 1)


def haze(points: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    """Hardly there, everywhere, densest in the middle."""
    return 0.4 * torch.exp(-points.square().sum(dim=-1)), rainbow(points)


def glass(points: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    """A ball of which light gets through about a third, and an opaque one inside of it."""
    radius = points.norm(dim=-1)
    outer = 0.8 * ((1.0 - radius) * 10).clamp(-1, 1)
    return torch.where(radius < 0.4, 40 * (0.45 - radius), outer), rainbow(points)


def plate(points: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    """A disc, thinner than the cells in which objects are looked for."""
    x, y, z = points.unbind(dim=-1)
    thick = 60 * (0.05 - (z - 0.3 * x).abs())
    return torch.minimum(thick, 60 * (0.9 - (x * x + y * y).sqrt())), rainbow(points)


def soft(points: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    """A ball for softplus, whose density is never nothing."""
    return 12 * (0.9 - points.norm(dim=-1)), rainbow(points)


def nothing(points: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    return -torch.ones_like(points[:, 0]), rainbow(points)
