"""The authors' cameras in our words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from graf_cli.families.pigan import cameras
from graf_cli.families.pigan.network import from_authors, to_authors
from graf_cli.families.pigan.spec import Spec, Views
from graf_cli.scene.camera import pose_on_sphere


def test_azimuth_0_looks_a_face_in_the_face() -> None:
    front = cameras.pose(math.pi / 2, math.pi / 2)
    np.testing.assert_allclose(front[:, 3], (1, 0, 0), atol=1e-15)
    theirs = cameras.to_theirs(front)
    np.testing.assert_allclose(theirs[:3, 3], (0, 0, 1), atol=1e-15)
    np.testing.assert_allclose(theirs[:3, :3], np.eye(3), atol=1e-15)


def test_angles_are_ours_turned_about() -> None:
    yaw, pitch = 1.1, 1.3
    ours = pose_on_sphere(90 - math.degrees(yaw), 90 - math.degrees(pitch), 1.0)
    np.testing.assert_allclose(cameras.pose(yaw, pitch), ours)
    eye = cameras.to_theirs(ours)[:3, 3]
    wanted = (math.sin(pitch) * math.cos(yaw), math.cos(pitch), math.sin(pitch) * math.sin(yaw))
    np.testing.assert_allclose(eye, wanted)


def test_frames_go_there_and_back() -> None:
    pose = cameras.pose(0.3, 1.0)
    np.testing.assert_array_equal(cameras.from_theirs(cameras.to_theirs(pose)), pose)
    some = torch.tensor([[1.0, 2.0, 3.0]], device="cpu", dtype=torch.float32)
    assert to_authors(some).tolist() == [[2, 3, 1]]
    assert torch.equal(from_authors(to_authors(some)), some)


def test_a_mean_on_the_sphere_is_no_angle() -> None:
    views = Views(distribution="spherical_uniform", vertical=(math.pi / 4, 0.0))
    vertical = torch.tensor([math.pi / 4], device="cpu", dtype=torch.float64)
    _, pitch = cameras.angles(views, vertical, vertical)
    assert math.degrees(float(pitch)) == pytest.approx(60)


def test_outermost_centres_lie_on_the_border() -> None:
    local = cameras.local_directions(5, 3, 40.0).reshape(3, 5, 3)
    assert float(local.norm(dim=-1).sub(1).abs().max()) < 1e-6
    across = local[1, 4] / -local[1, 4, 2]
    assert float(across[0]) == pytest.approx(math.tan(math.radians(20)), rel=1e-6)
    assert float(across[1]) == pytest.approx(0, abs=1e-7)
    per_pixel = 1 / cameras.focal(5, 40.0)
    up = local[0, 2] / -local[0, 2, 2]
    assert float(up[1]) == pytest.approx(per_pixel, rel=1e-6)  # square pixels, row 0 on top


def test_a_point_projects_back_onto_its_pixel() -> None:
    """The pinhole that a data set writes: focal length, and the middle between the centres."""
    pose, width, height = cameras.pose(1.2, 1.4), 7, 5
    through = cameras.rays(pose, width, height, fov=30.0, near=0.7, far=1.3)
    seen = (through.origins + 0.9 * through.directions).double().numpy()
    local = (seen - pose[:, 3]) @ pose[:, :3]
    focal = cameras.focal(width, 30.0)
    column = focal * local[:, 0] / -local[:, 2] + (width - 1) / 2
    line = -focal * local[:, 1] / -local[:, 2] + (height - 1) / 2
    wanted = np.stack(np.divmod(np.arange(width * height), width))
    np.testing.assert_allclose((line, column), wanted, atol=1e-5)


def test_cells_belong_to_the_classes_that_have_some() -> None:
    with pytest.raises(ValueError, match="cells"):
        Spec(siren="EmbeddingPiGAN128")
    with pytest.raises(ValueError, match="cells"):
        Spec(siren="TALLSIREN", cells=(2, 2, 2))
