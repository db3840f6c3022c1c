"""Cameras as labels of 25 numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graf_cli.errors import UsageError
from graf_cli.scene.camera import Camera, pose_on_sphere, rays
from graf_cli.scene.intrinsics import Intrinsics
from graf_cli.scene.labels import label_of, lens_of, pose_of
from graf_cli.scene.poses import read_poses
from tests.conftest import CPU
from tests.families.eg3d.conftest import CASES

SIZE = (64, 64)


def label(azimuth: float = 20.0, focal: float = 4.2647, centre: float = 0.5) -> Any:
    lens = np.array([[focal, 0, centre], [0, focal, 0.5], [0, 0, 1]])
    return label_of(pose_on_sphere(azimuth, 10, 2.7, (0.2, 0.0, 0.0)), lens)


def saved(path: Path, table: object) -> Path:
    np.save(path, np.asarray(table))
    return path


def test_a_label_is_its_pose_and_back() -> None:
    pose = pose_on_sphere(33, -7, 2.7, (0.2, 0.0, 0.0))
    assert np.array_equal(pose_of(label_of(pose, np.eye(3))), pose)
    assert pose_of(np.stack([label(), label(5)])).shape == (2, 3, 4)


def test_rays_are_the_authors(tmp_path: Path) -> None:
    """Of measured labels; the one with skew is refused below."""
    import torch

    with np.load(CASES / "cameras.npz") as truth:
        found = {key: truth[key] for key in truth.files}
    n = int(found["ray_resolution"])
    for k, pose in enumerate(found["ray_pose"]):
        row = np.concatenate([found["pose"][pose].ravel(), found["ray_intrinsics"][k].ravel()])
        path = saved(tmp_path / f"{k}.npy", row)
        if row[17] != 0:
            with pytest.raises(UsageError, match="skewed"):
                read_poses(path, (n, n))
            continue
        poses = read_poses(path, (n, n))
        assert poses.size == (n, n)
        lens = Intrinsics(*poses.intrinsics[0])
        camera = Camera(
            np.reshape(poses.rows[0], (3, 4)), n, n, 0.0, 0.0, 1.0, intrinsics=lens, depths="ray"
        )
        ours = rays(camera, device=CPU, dtype=torch.float64).directions.numpy()
        np.testing.assert_allclose(ours, found["ray_directions"][k][:, [2, 0, 1]], atol=2e-6)


def test_a_data_sets_labels_are_its_cameras_in_their_order(tmp_path: Path) -> None:
    rows = [label(azimuth).tolist() for azimuth in (0, 10, 20)]
    path = tmp_path / "dataset.json"
    pairs = [[f"00000/img{k}.png", row] for k, row in enumerate(rows)]
    for labels in (pairs, dict(pairs)):
        path.write_text(json.dumps({"labels": labels}))
        found = read_poses(path, usual=SIZE)
        table = read_poses(saved(tmp_path / "a.npy", rows), usual=SIZE)
        assert found == table
        assert len(found.rows) == 3
        assert found.size == SIZE
        assert found.intrinsics[0] == pytest.approx((4.2647 * 64, 4.2647 * 64, 31.5, 31.5))


def test_a_lens_is_scaled_to_the_size_and_left_out_without_one(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npy", [label(), label(centre=0.4)])
    assert not read_poses(path).intrinsics
    first, second = read_poses(path, (128, 64), usual=SIZE).intrinsics
    assert first == pytest.approx((4.2647 * 128, 4.2647 * 64, 63.5, 31.5))
    assert second.cx == pytest.approx(0.4 * 128 - 0.5)
    expected = np.array([[4.2647, 0, 0.4], [0, 4.2647, 0.5], [0, 0, 1]])
    assert np.allclose(lens_of(second, (128, 64)), expected)


def damaged(at: int, value: float) -> Any:
    row = label()
    row[at] = value
    return row


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (damaged(17, 0.1), "camera 0 is skewed"),
        (damaged(24, 2.0), "camera 0 is skewed"),
        (damaged(16, 0.0), "in sides of the picture"),
        (damaged(16, 4000.0), "in sides of the picture"),
        (damaged(16, np.nan), "NaN or infinite"),
        (damaged(0, 2.0), "not a rotation"),
        (damaged(15, 2.0), "last row of camera 0"),
        (np.zeros((0, 25)), "no cameras"),
    ],
)
def test_what_is_no_camera_is_refused(tmp_path: Path, table: object, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read_poses(saved(tmp_path / "a.npy", table), SIZE)


@pytest.mark.parametrize("labels", [None, 3, [["a.png", None]], [["a.png"]], [["a", [1, 2]]], []])
def test_a_document_without_cameras_is_refused(tmp_path: Path, labels: object) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"labels": labels}))
    with pytest.raises(UsageError, match=r"dataset\.json"):
        read_poses(path, SIZE)
