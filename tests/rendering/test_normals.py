"""Normals from the density's gradient, held against a field whose surface is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from graf_cli.families.graf.scene import draw_codes as draw
from graf_cli.model.generator import Generator
from graf_cli.rendering import normals as module
from graf_cli.rendering.normals import normals, with_normals
from graf_cli.rendering.renderer import Frame, Renderer, RenderOptions, Shot
from graf_cli.scene.camera import Camera, camera_for, pose_on_sphere
from graf_cli.scene.codes import Subject
from graf_cli.scene.volume import Scene
from tests.conftest import small_generator
from tests.rendering.fields import scene_of

SHARPNESS = 30.0


def sphere(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
    """A ball of radius 1, dense within."""
    density = SHARPNESS * torch.sigmoid(8 * (1 - points.norm(dim=-1)))
    return density, torch.zeros_like(points)


@pytest.fixture
def ball(monkeypatch: pytest.MonkeyPatch) -> Generator:
    generator = small_generator()

    def scene(_: Generator, subject: Subject, *, samples: int, camera: Camera | None) -> Scene:
        return scene_of(sphere, samples=samples)

    monkeypatch.setattr(Generator, "scene", scene)
    return generator


def picture(generator: Generator, samples: int = 64) -> Frame:
    spec = generator.spec
    camera = camera_for(spec.camera, pose_on_sphere(40, 20, 4), width=16, height=12)
    shot = Shot(draw(spec.settings.latent, 0).subject(), camera, samples, (0.0, 0.0, 0.0))
    return Renderer(generator, RenderOptions(exact=True)).render(shot)


def test_a_ball_has_the_normals_of_a_ball(ball: Generator) -> None:
    frame = picture(ball)
    found = normals(ball, frame)
    camera = frame.shot.camera
    i, j = np.meshgrid(np.arange(16) - 8, np.arange(12) - 6)
    local = np.stack((i / camera.focal, -j / camera.focal, -np.ones_like(i, float)), axis=-1)
    depth = frame.depth / np.maximum(frame.opacity, 1e-9)
    points = camera.eye + local @ camera.pose[:, :3].T * depth[..., None]
    expected = points / np.linalg.norm(points, axis=-1, keepdims=True)
    solid = frame.opacity > 0.99
    assert solid.sum() > 20
    assert (found * expected).sum(axis=-1)[solid].min() > 0.999


def test_unit_length_and_nothing_where_nothing_is(ball: Generator) -> None:
    frame = picture(ball)
    frame.opacity[0] = 0
    length = np.linalg.norm(normals(ball, frame), axis=-1)
    assert (length[0] == 0).all()
    assert np.allclose(length[frame.opacity > 1e-3], 1, atol=1e-5)


def test_blocks_and_chunks_change_nothing(ball: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = picture(ball)
    whole = normals(ball, frame)
    monkeypatch.setattr(module, "BLOCK_RAYS", 17)
    monkeypatch.setattr(module, "CHUNK", 5)
    assert np.allclose(normals(ball, frame), whole, atol=1e-6)


def test_one_sample_and_an_empty_picture(ball: Generator) -> None:
    frame = picture(ball)
    one = replace(frame, shot=replace(frame.shot, samples=1))
    assert np.isfinite(normals(ball, one)).all()
    frame.opacity[:] = 0
    assert (normals(ball, frame) == 0).all()


def test_of_a_network() -> None:
    generator = small_generator()
    frame = with_normals(generator, picture(generator, samples=6))
    assert frame.normal is not None
    length = np.linalg.norm(frame.normal, axis=-1)
    assert np.allclose(length[frame.opacity > 1e-2], 1, atol=1e-5)
    assert frame.normal.dtype == np.float32
