"""Normals from the density's gradient, held against a field whose surface is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from graf_cli.arrays import Array
from graf_cli.families.graf.field import Field
from graf_cli.families.graf.scene import draw_codes as draw
from graf_cli.model.generator import Generator
from graf_cli.rendering import normals as module
from graf_cli.rendering.normals import SHARES, normals, with_normals
from graf_cli.rendering.renderer import Frame, Image, Renderer, RenderOptions, Shot
from graf_cli.scene.camera import Camera, camera_for, pose_on_sphere, rays
from graf_cli.scene.codes import Subject
from graf_cli.scene.volume import Scene
from tests.conftest import CPU, small_generator
from tests.rendering.fields import scene_of

SHARPNESS = 30.0


def sphere(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
    """A ball of radius 1, dense within."""
    density = SHARPNESS * torch.sigmoid(8 * (1 - points.norm(dim=-1)))
    return density, torch.zeros_like(points)


def become(monkeypatch: pytest.MonkeyPatch, field: Field) -> None:
    """Every generator shows a field."""

    def scene(_: Generator, subject: Subject, *, samples: int, camera: Camera | None) -> Scene:
        return scene_of(field, samples=samples)

    monkeypatch.setattr(Generator, "scene", scene)


@pytest.fixture
def ball(monkeypatch: pytest.MonkeyPatch) -> Generator:
    become(monkeypatch, sphere)
    return small_generator()


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


def between(found: Image | Array, wanted: Image | Array) -> Array:
    """Degrees between unit vectors."""
    cosine = np.clip((found * wanted).sum(axis=-1, dtype=np.float64), -1, 1)
    return np.asarray(np.degrees(np.arccos(cosine)), dtype=np.float64)


def test_a_hard_ball_has_no_terraces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its normals are those of where rays meet it, which the picture's own depths are not."""

    def field(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
        return 4000 * (1 - points.norm(dim=-1)).clamp(-0.05, 0.05), torch.zeros_like(points)

    generator = small_generator()
    become(monkeypatch, field)
    frame = picture(generator)
    through = rays(frame.shot.camera, device=CPU, dtype=torch.float64)
    along = torch.nn.functional.normalize(through.directions, dim=-1)
    middle = -(through.origins * along).sum(dim=-1)
    inside = 1 - (through.origins + middle[:, None] * along).square().sum(dim=-1)
    met = (inside > 0.1).numpy()  # the rays that do not graze it
    points = through.origins + (middle - inside.clamp(min=0).sqrt())[:, None] * along
    assert met.sum() > 20
    apart = between(normals(generator, frame).reshape(-1, 3)[met], points.numpy()[met])
    assert apart.mean() < 1.5


def test_ripples_finer_than_a_step_are_no_slopes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As fitted networks have them: they tilt the gradient at a point, and no surface."""

    def field(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
        density, colour = sphere(points, directions)
        return density + 0.05 * (300 * points).sin().sum(dim=-1), colour

    generator = small_generator()
    become(monkeypatch, sphere)
    smooth = picture(generator)
    wanted = normals(generator, smooth)
    become(monkeypatch, field)
    apart = between(normals(generator, smooth), wanted)
    # Where rays graze the ball the density hardly changes but for its ripples.
    assert np.median(apart[smooth.opacity > 0.99]) < 5  # of the gradient at a point: some 25


def test_the_surface_of_haze_is_in_its_middle() -> None:
    """Even haze stops as much before the middle as behind it, but for what it hides."""
    z = torch.linspace(0, 1, 101, device="cpu", dtype=torch.float64)[None]
    thin = torch.full_like(z, 1e-3)
    interval = torch.full_like(z[:, :1], 0.01)
    found = module._stopped_at(z, thin, interval)
    assert torch.allclose(found, torch.tensor([SHARES], device="cpu", dtype=z.dtype), atol=0.02)
    thick = module._stopped_at(z, 1e3 * (z > 0.5), interval)
    assert torch.allclose(thick, torch.full_like(thick, 0.505), atol=0.006)
    nothing = module._stopped_at(z, torch.zeros_like(thin), interval)
    assert torch.allclose(nothing, torch.tensor([SHARES], device="cpu", dtype=z.dtype), atol=0.02)


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
