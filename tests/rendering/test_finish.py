"""A 2-D stage after the rays: raster, finish, and the surface beside it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from graf_cli.errors import RecipeError
from graf_cli.rendering.integrator import integrate
from graf_cli.rendering.renderer import Frame, Image, Renderer, RenderOptions, Series, Shot
from graf_cli.scene.camera import Camera, Rays, camera_for, pose_on_sphere
from graf_cli.scene.codes import Subject
from graf_cli.scene.spec import CameraSpec
from graf_cli.scene.volume import March, Painting, Quadrature, Scene, Windows
from tests.conftest import CPU

SPEC = CameraSpec(near=2.0, far=6.0, radius=(4.0, 4.0), fov=40.0)
TIMES = 4  # finished pixels along each side of one of the raster


class Ball:
    """A ball of radius 1 with five features; the last two are where it is hit."""

    channels = 5

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return points, 40 * (1 - points.norm(dim=-1))

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        return torch.cat((features, directions[:, :2]), dim=-1)


def enlarged(features: Tensor) -> Tensor:
    return features[:3].repeat_interleave(TIMES, 1).repeat_interleave(TIMES, 2)


class Source:
    """What makes the scene."""

    device = CPU

    def __init__(self, surface: str) -> None:
        self.surface = surface

    def conditioned_on_camera(self, _: Subject) -> bool:
        return False

    def scene(self, subject: Subject, *, samples: int, camera: Camera | None) -> Scene:
        return Scene(
            (Ball(),), Quadrature(samples), b"ball", b"ball", finish=enlarged, raster=coarse,
            surface=self.surface,  # type: ignore[arg-type]
        )  # fmt: skip


def coarse(camera: Camera) -> Camera:
    return replace(camera, width=camera.width // TIMES, height=camera.height // TIMES)


def picture(surface: str, size: int = 32, *, wanted: bool = True) -> Frame:
    """Of the ball."""
    camera = camera_for(SPEC, pose_on_sphere(30, 20, 4), width=size, height=size)
    shot = Shot(Subject({}), camera, 24, (0.0, 0.0, 0.0))
    return Renderer(Source(surface), RenderOptions()).render(shot, surface=wanted)


def test_colours_come_out_of_the_stage_and_raw_ones_stay() -> None:
    frame = picture("raster")
    assert frame.rgb.shape == (32, 32, 3)
    assert frame.raw is not None
    assert frame.raw.shape == (8, 8, 3)
    np.testing.assert_array_equal(frame.rgb, frame.raw.repeat(TIMES, 0).repeat(TIMES, 1))


def test_the_surface_of_the_raster_is_enlarged() -> None:
    frame = picture("raster")
    np.testing.assert_array_equal(frame.opacity[::TIMES], frame.opacity[1::TIMES])
    assert len(np.unique(frame.depth)) <= 64


def test_a_surface_of_its_own_is_marched_at_the_size_of_the_picture() -> None:
    frame = picture("picture")
    inside = frame.opacity > 0.99
    assert 100 < inside.sum() < 700
    assert len(np.unique(frame.depth[inside])) > 64
    assert frame.depth[inside].min() == pytest.approx(3, abs=0.3)


def test_what_nobody_asked_for_is_not_a_number() -> None:
    frame = picture("picture", wanted=False)
    assert np.isnan(frame.depth).all()
    assert np.isnan(frame.opacity).all()
    assert np.isfinite(frame.rgb).all()


def test_another_size_than_the_stage_makes_is_refused() -> None:
    with pytest.raises(RecipeError, match="makes pictures of 28 × 28"):
        picture("raster", 31)


class Marching(Source):
    """The same with a march of its own, which may err."""

    def __init__(self, error: float) -> None:
        super().__init__("picture")
        self.error = error

    def scene(self, subject: Subject, *, samples: int, camera: Camera | None) -> Scene:
        scene = super().scene(subject, samples=samples, camera=camera)

        def march(rays: Rays, radiance: bool) -> tuple[Tensor, Tensor, Tensor]:
            seen = integrate(scene, rays, chunk=4096)
            features = seen.radiance if radiance else seen.radiance[:, :0]
            return features + self.error, seen.opacity + self.error, seen.depth

        return replace(scene, march=march)


@pytest.mark.parametrize(("error", "path"), [(0.0, "fast"), (1e-4, "fast"), (1e-2, "plain")])
def test_a_march_of_the_familys_own_is_kept_where_it_keeps_the_promise(
    error: float, path: str
) -> None:
    pose, other = (pose_on_sphere(azimuth, 20, 4) for azimuth in (30, 60))
    shots = [
        Shot(Subject({}), camera_for(SPEC, at, width=32, height=32), 24, (0.0, 0.0, 0.0))
        for at in (pose, other)
    ]
    series = Series(shots[0], 2)
    plain = Renderer(Source("picture"), RenderOptions())
    for shot in shots:  # the first one of its series, and a later one
        renderer = Renderer(Marching(error), RenderOptions())
        frame, truth = renderer.render(shot, series), plain.render(shot)
        assert renderer.outcome.path == path
        assert renderer.outcome.difference == pytest.approx(error if path == "fast" else 0, rel=0.1)
        kept = error if path == "fast" else 0
        np.testing.assert_allclose(frame.rgb, truth.rgb + kept, atol=1e-6)
        np.testing.assert_allclose(frame.opacity, truth.opacity + kept, atol=1e-6)


def windowed(part: Tensor, row: int, column: int) -> tuple[Tensor, int, int]:
    return enlarged(part), TIMES * row, TIMES * column


def erring(error: float, features: Tensor) -> Tensor:
    return enlarged(features) + error


class PaintedFast(Marching):
    """The same with two faster paintings, each of which may err, and windows to find it by."""

    def __init__(self, error: float, *errors: float) -> None:
        super().__init__(error)
        self.errors = errors

    def scene(self, subject: Subject, *, samples: int, camera: Camera | None) -> Scene:
        scene = super().scene(subject, samples=samples, camera=camera)
        dtypes = (torch.bfloat16, torch.float32)
        paintings = tuple(
            Painting(dtype, partial(erring, error))
            for dtype, error in zip(dtypes, self.errors, strict=True)
        )
        windows = Windows(4, 2, windowed)
        return replace(scene, surface="raster", paintings=paintings, windows=windows)


@pytest.mark.parametrize(
    ("march", "errors", "path", "precision", "kept"),
    [
        (0.0, (3e-3, 0.0), "fast", "bfloat16", 3e-3),  # within a level of 8 bits
        (0.0, (5e-3, 5e-4), "fast", "float32", 5e-4),
        (0.0, (5e-3, 2e-3), "fast", "float32", 0.0),  # painted exactly
        (0.0, (float("nan"), 5e-4), "fast", "float32", 5e-4),
        (1e-2, (0.0, 0.0), "plain", "float32", 0.0),
    ],
)
def test_the_fastest_painting_that_keeps_the_promise_is_kept(
    march: float, errors: tuple[float, float], path: str, precision: str, kept: float
) -> None:
    shots = [
        Shot(
            Subject({}),
            camera_for(SPEC, pose_on_sphere(azimuth, 20, 4), width=32, height=32),
            24,
            (0.0, 0.0, 0.0),
        )
        for azimuth in (30, 60, 90)
    ]
    series = Series(shots[0], 3)
    truths = [Renderer(Source("raster"), RenderOptions(exact=True)).render(s) for s in shots]
    found: dict[int, Image] = {}
    for order in ((0, 1, 2), (2, 1, 0)):
        renderer = Renderer(PaintedFast(march, *errors), RenderOptions())
        for k in order:
            frame = renderer.render(shots[k], series)
            assert renderer.outcome.path == path
            assert renderer.outcome.precision == precision
            np.testing.assert_allclose(frame.rgb, truths[k].rgb + kept, atol=1e-6)
            assert np.array_equal(found.setdefault(k, frame.rgb), frame.rgb)
    assert renderer.outcome.difference <= renderer.outcome.promise


class Sparse(PaintedFast):
    """The same with a march that leaves something out where there is much, and may err in it."""

    def __init__(self, march: float, sparse: float) -> None:
        super().__init__(march, 0.0, 0.0)
        self.sparse = sparse
        self.asked: set[int] = set()

    def scene(self, subject: Subject, *, samples: int, camera: Camera | None) -> Scene:
        scene = super().scene(subject, samples=samples, camera=camera)
        other = Marching(self.sparse).scene(subject, samples=samples, camera=camera)
        march = other.march
        assert march is not None

        def sparse(many: int) -> March:
            self.asked.add(many)
            return march

        return replace(scene, sparse=sparse)


@pytest.mark.parametrize(
    ("march", "sparse", "path", "kept"),
    [(2e-4, 1e-4, "fast", 1e-4), (2e-4, 1e-2, "fast", 2e-4), (1e-2, 1e-2, "plain", 0.0)],
)
def test_what_leaves_too_much_out_is_made_again_with_it(
    march: float, sparse: float, path: str, kept: float
) -> None:
    views = (camera_for(SPEC, pose_on_sphere(a, 20, 4), width=32, height=32) for a in (30, 60))
    shots = [Shot(Subject({}), view, 24, (0.0, 0.0, 0.0)) for view in views]
    truths = [Renderer(Source("raster"), RenderOptions(exact=True)).render(s) for s in shots]
    for order in ((0, 1), (1, 0)):
        source = Sparse(march, sparse)
        renderer = Renderer(source, RenderOptions())
        for k in order:
            frame = renderer.render(shots[k], Series(shots[0], 2))
            assert renderer.outcome.path == path
            np.testing.assert_allclose(frame.opacity, truths[k].opacity + kept, atol=1e-6)
        assert source.asked == {2 * 8 * 8 * 24}


def test_a_precision_that_is_asked_for_leaves_the_others_out() -> None:
    camera = camera_for(SPEC, pose_on_sphere(30, 20, 4), width=32, height=32)
    shot = Shot(Subject({}), camera, 24, (0.0, 0.0, 0.0))
    for precision in ("float32", "bfloat16"):
        renderer = Renderer(PaintedFast(0.0, 0.0, 0.0), RenderOptions(precision=precision))
        renderer.render(shot)
        assert renderer.outcome.precision == precision
