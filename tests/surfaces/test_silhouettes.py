"""The level of a surface, by the silhouettes that pictures have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from graf_cli.rendering.integrator import integrate
from graf_cli.scene.camera import Camera, rays
from graf_cli.scene.codes import Subject
from graf_cli.scene.volume import Quadrature
from graf_cli.surfaces import mesh
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.raster import raster
from graf_cli.surfaces.silhouettes import level_of
from graf_cli.surfaces.source import Source, source_of
from tests.conftest import CPU
from tests.surfaces.scenes import Objects, ball, glass, rainbow

SOFT = Quadrature(48, activation="softplus", last="nothing")


def hard(points: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    """A ball whose rim is thinner than a step."""
    return 400 * (0.9 - points.norm(dim=-1)), rainbow(points)


def dense(points: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    """A ball for softplus that is some steps thick at its rim."""
    return 30 * (0.9 - points.norm(dim=-1)), rainbow(points)


def opaque(objects: Objects, camera: Camera) -> NDArray[np.bool_]:
    """Of each pixel, whether more than half of its light is stopped."""
    scene = objects.scene(Subject({}), samples=objects.quadrature.samples, camera=camera)
    through = rays(camera, device=CPU, dtype=torch.float32)
    return np.asarray(integrate(scene, through, chunk=1 << 14).opacity > 0.5)


def overlap(objects: Objects, source: Source, level: float | None) -> float:
    """Intersection over union of the silhouettes of a mesh and of pictures."""
    options = Export(kind="mesh", resolution=32, level=level)
    vertices, faces, _ = mesh.surface(source, options, *mesh.where(source, options))
    both, either = 0, 0
    for azimuth, elevation in ((20.0, 10.0), (75.0, 30.0), (200.0, 20.0)):
        camera = objects.view(azimuth, elevation, 96)
        there = opaque(objects, camera)
        ours = np.zeros_like(there)
        ours[raster(camera, vertices, faces).pixel] = True
        both, either = both + (ours & there).sum(), either + (ours | there).sum()
    return float(both / either)


@pytest.mark.parametrize(
    "objects", [Objects(hard), Objects(ball), Objects(dense, SOFT)], ids=["hard", "ball", "soft"]
)
@torch.inference_mode()
def test_silhouettes_agree_better_than_at_a_half_opaque_step(objects: Objects) -> None:
    source = source_of(objects, objects.shot(), objects.camera)
    found = overlap(objects, source, None)
    print(
        found,
        overlap(objects, source, source.field.surface),
        mesh.where(source, Export(kind="mesh", resolution=32))[0],
        source.field.surface,
    )
    assert found > 0.97
    assert found >= overlap(objects, source, source.field.surface) - 1e-3


@torch.inference_mode()
def test_the_surface_is_not_that_of_a_translucent_hull() -> None:
    objects = Objects(glass)
    source, options = (
        source_of(objects, objects.shot(), objects.camera),
        Export(kind="mesh", resolution=32),
    )
    vertices, _, _ = mesh.surface(source, options, *mesh.where(source, options))
    assert 0.3 < np.linalg.norm(vertices, axis=1).max() < 0.45  # of the opaque ball in it


def test_where_every_ray_is_opaque_the_level_is_that_of_a_step() -> None:
    objects = Objects(lambda points, _: (200 - points[:, 0], rainbow(points)))
    source = source_of(objects, objects.shot(), objects.camera)
    with torch.inference_mode():
        assert level_of(source, source.box) == source.field.surface
