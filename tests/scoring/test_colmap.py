"""What COLMAP is told of cameras is what rays go through; and what it makes of it."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import graf_cli as graf
from graf_cli.engine.local import LocalEngine
from graf_cli.errors import UsageError
from graf_cli.jobs import work_of
from graf_cli.opening import reference
from graf_cli.rendering.renderer import RenderOptions
from graf_cli.rendering.shot import Frame
from graf_cli.request import sweep
from graf_cli.scene.camera import rays
from graf_cli.scoring import colmap
from graf_cli.scoring.consistency import Scoring, views_of
from tests.inversion.objects import eggs
from tests.scoring.test_consistency import HARD
from tests.scoring.textured import painted_eggs


def frames(views: int, size: int = 32) -> list[Frame]:
    generator = eggs(HARD)
    recipe = views_of(generator, 1, views, 0, size=size, samples=64)
    return Scoring(generator, recipe).frames(0)


def test_a_ray_s_points_project_to_the_middle_of_its_pixel() -> None:
    camera = frames(3, size=8)[1].shot.camera
    through = rays(camera, device=torch.device("cpu"), dtype=torch.float64)
    points = (through.origins + 3.1 * through.directions).numpy()
    pose, (fx, fy, cx, cy) = colmap.world_to_camera(camera), colmap.lens_of(camera)
    local = points @ pose[:, :3].T + pose[:, 3]
    assert (local[:, 2] > 0).all()
    x, y = fx * local[:, 0] / local[:, 2] + cx, fy * local[:, 1] / local[:, 2] + cy
    row, column = np.divmod(np.arange(64), 8)
    np.testing.assert_allclose(x, column + 0.5, atol=1e-5)
    np.testing.assert_allclose(y, row + 0.5, atol=1e-5)
    assert np.linalg.det(pose[:, :3]) == pytest.approx(1)


def test_every_pair_of_neighbours_comes_once() -> None:
    few = colmap.pairs_of(frames(4, size=4))
    assert few == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    many = colmap.pairs_of(frames(40, size=4))
    assert len(set(many)) == len(many) < 40 * 39 // 2
    assert all(a < b for a, b in many)


def test_points_are_as_far_from_the_surface_as_they_are() -> None:
    """COLMAP's own part is played by points that are carried off the surface."""
    [frame, *_] = seen = frames(3)
    camera = frame.shot.camera
    row, column = 16, 16
    depth = float(frame.depth[row, column])
    fx, fy, cx, cy = camera.lens
    ray = np.array([(column - cx) / fx, -(row - cy) / fy, -1.0])

    def point(off: float) -> Any:
        xyz = camera.pose[:, :3] @ (ray * (depth + off)) + camera.eye
        return SimpleNamespace(xyz=xyz, track=SimpleNamespace(elements=[element]))

    element = SimpleNamespace(image_id=5)
    found = SimpleNamespace(
        images={5: SimpleNamespace(image_id=5, name="000000.png", num_points3D=3)},
        points3D={k: point(off) for k, off in enumerate((0.0, 0.25, 0.01))},
        num_points3D=lambda: 3,
        compute_mean_track_length=lambda: 1.0,
        compute_mean_reprojection_error=lambda: 0.5,
    )
    told = colmap.measured("eggs", seen, found, features=7)
    assert told.off == pytest.approx(0.01, abs=1e-4)
    assert told.off_most is not None
    assert told.off_most == pytest.approx(0.226, abs=1e-3)
    assert (told.views, told.seen, told.points, told.features) == (3, 1, 3, 7)
    assert told.step == pytest.approx(3 / 63)
    assert told.as_json()["score"] == "colmap"


def test_views_are_sampled_as_finely_as_their_pixels_are() -> None:
    """A step covers two pixels at most, unless something is said."""
    cars = graf.load(device="cpu")  # from 7.5 to 12.5, 30° across, seen from 10
    for size, samples in ((64, 64), (128, 64), (256, 121)):
        assert colmap.views_for(cars, 4, 0, size=size).samples == samples
    assert colmap.views_for(cars, 4, 0, size=256, samples=32).samples == 32
    assert colmap.views_for(cars, 4, 5, size=256) == views_of(cars, 1, 4, 5, size=256, samples=121)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    with pytest.raises(UsageError, match=r"graf\[colmap\]"):
        colmap.pycolmap()


def test_colmap_triangulates_what_is_there() -> None:
    """With the extra alone; the poses that it is told meet at the surface."""
    pytest.importorskip("pycolmap")
    generator = painted_eggs()
    recipe = views_of(generator, 1, 9, 0, size=128, samples=48)
    found = colmap.reconstructed("eggs", Scoring(generator, recipe).frames(0))
    assert found.points > 20
    assert found.reprojection is not None
    assert found.off is not None
    assert found.reprojection < 1
    assert found.off < found.step


def test_a_toy_car_s_views_are_triangulated_to_its_surface() -> None:
    """Smooth paint has points too: poses, lens and depth are right by COLMAP's word."""
    pytest.importorskip("pycolmap")
    cars = graf.load(device="cpu")
    recipe = sweep(
        reference(cars), cars.spec, size=96, samples=48, azimuth=(30.0, 54.0), elevation=20.0,
        frames=5,
    )  # fmt: skip
    with LocalEngine() as engine:
        work = work_of(cars, recipe, range(len(recipe)), RenderOptions())
        with engine.draw(work) as drawing:
            found = colmap.reconstructed("toy-cars", [*drawing])
    assert found.points > 15
    assert found.reprojection is not None
    assert found.off is not None
    assert found.reprojection < 1
    assert found.off < found.step
    assert found.pixel == pytest.approx(0.0558, abs=1e-4)
    assert 5 < found.apart < 6
