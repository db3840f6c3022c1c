"""Camera files are read whole, by the conventions of the programs that write them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.errors import UsageError
from graf_cli.scene.camera import Camera, pose_on_sphere, rays
from graf_cli.scene.files import MOST, check_rows
from graf_cli.scene.intrinsics import Intrinsics
from graf_cli.scene.poses import read_poses
from tests.conftest import CPU

POSE = pose_on_sphere(30, 20, 10)
MATRIX = [*POSE.tolist(), [0.0, 0.0, 0.0, 1.0]]
POINT = np.array([0.4, -0.3, 0.2])
focals, centres = st.floats(5, 500), st.floats(-20, 60)


def written(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def transforms(path: Path, frame: dict[str, Any] | None = None, **top: Any) -> Path:
    return written(path, {**top, "frames": [{"transform_matrix": MATRIX, **(frame or {})}]})


def seen() -> tuple[float, float, float]:
    """The point in the axes of the camera: x right, y up, z back."""
    x, y, z = POSE[:, :3].T @ (POINT - POSE[:, 3])
    return float(x), float(y), float(z)


@given(focals, focals, centres, centres)
def test_pixel_to_ray_to_pixel(fx: float, fy: float, cx: float, cy: float) -> None:
    lens = Intrinsics(fx, fy, cx, cy)
    camera = Camera(POSE, 5, 4, fov=30, near=1, far=2, intrinsics=lens)
    found = rays(camera, device=CPU, dtype=torch.float64)
    local = (found.directions.numpy() @ POSE[:, :3]) * 3.0
    for k, direction in enumerate(local):
        i, j = lens.pixel(*map(float, direction))
        assert (i, j) == pytest.approx((k % 5, k // 5), abs=1e-8)


@pytest.mark.parametrize("own", [True, False])
def test_transforms_by_nerfstudio_s_convention(tmp_path: Path, own: bool) -> None:
    said: dict[str, Any] = {"fl_x": 90, "fl_y": 80, "cx": 30, "cy": 25, "w": 64, "h": 48}
    path = tmp_path / "transforms.json"
    poses = read_poses(transforms(path, said) if own else transforms(path, **said))
    x, y, z = seen()
    there = (30 + 90 * x / -z - 0.5, 25 - 80 * y / -z - 0.5)  # continuous, then of pixels' centres
    assert poses.size == (64, 48)
    assert poses.intrinsics[0].pixel(x, y, z) == pytest.approx(there)
    twice = read_poses(path, (128, 96)).intrinsics[0].pixel(x, y, z)
    assert twice == pytest.approx([2 * (value + 0.5) - 0.5 for value in there])
    with pytest.raises(UsageError, match="proportions"):
        read_poses(path, (64, 64))


def test_camera_path_by_its_convention(tmp_path: Path) -> None:
    entry = {"camera_to_world": np.ravel(MATRIX).tolist(), "fov": 40, "aspect": 64 / 48}
    document = {
        "camera_type": "perspective", "render_width": 64, "render_height": 48, "fps": 24,
        "seconds": 1 / 12, "camera_path": [entry, entry],
    }  # fmt: skip
    poses = read_poses(written(tmp_path / "camera_path.json", document))
    x, y, z = seen()
    up = y / -z / math.tan(math.radians(20))  # −1 at the lower edge, 1 at the upper one
    assert (len(poses.rows), poses.fps, poses.size) == (2, 24, (64, 48))
    assert poses.intrinsics[0].pixel(x, y, z)[1] == pytest.approx((1 - up) * 24 - 0.5)
    with pytest.raises(UsageError, match="camera_type"):
        read_poses(written(tmp_path / "bad.json", {**document, "camera_type": "fisheye"}))


def test_poses_bounds_of_llff(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    right, up, back, eye = POSE.T
    block = np.stack([-up, right, back, eye, np.array([48, 64, 90.0])], axis=1)
    np.save(tmp_path / "poses_bounds.npy", np.concatenate([block.ravel(), [7, 13]])[None])
    poses = read_poses(tmp_path / "poses_bounds.npy")
    np.testing.assert_allclose(np.reshape(poses.rows[0], (3, 4)), POSE)
    lens = poses.intrinsics[0] if poses.intrinsics else None
    camera = Camera(POSE, 64, 48, fov=poses.fov or 1, near=1, far=2, intrinsics=lens)
    assert (poses.size, tuple(camera.lens)) == ((64, 48), (90, 90, 32, 24))
    assert "bounds" in caplog.text


@pytest.mark.parametrize(
    ("key", "value"),
    [("k1", 0.1), ("p2", -1e-3), ("k6", 1), ("camera_model", "OPENCV_FISHEYE"),
     ("camera_model", 3), ("fisheye_crop_radius", 100), ("rolling_shutter", [0, 1, 0])],
)  # fmt: skip
@pytest.mark.parametrize("own", [True, False])
def test_no_pinhole_is_refused_by_its_key(
    tmp_path: Path, key: str, value: object, own: bool
) -> None:
    path = tmp_path / "transforms.json"
    said: dict[str, Any] = {key: value}
    with pytest.raises(UsageError, match=f"`{key}`"):
        read_poses(transforms(path, said) if own else transforms(path, **said))


def test_angles_of_the_frames_need_no_pixels(tmp_path: Path) -> None:
    path = transforms(tmp_path / "transforms.json", {"camera_angle_x": 0.5})
    with pytest.raises(UsageError, match="`size`"):
        read_poses(path)
    assert read_poses(path, (64, 48)).fov == pytest.approx(math.degrees(0.5))
    with pytest.raises(UsageError, match="`fl_x` is in pixels"):
        read_poses(transforms(tmp_path / "b.json", {"fl_x": 90}))


def test_frames_of_different_sizes_need_one(tmp_path: Path) -> None:
    lens = {"fl_x": 90, "cx": 30, "cy": 20, "transform_matrix": MATRIX}
    frames = [{**lens, "w": 64, "h": 48}, {**lens, "w": 128, "h": 96}, {**lens, "w": 64, "h": 64}]
    path = written(tmp_path / "transforms.json", {"frames": frames[:2]})
    with pytest.raises(UsageError, match=r"different sizes.*`size`"):
        read_poses(path)
    first, second = read_poses(path, (64, 48)).intrinsics
    assert second == pytest.approx((45, 45, 14.5, 9.5))
    assert first == (90, 90, 29.5, 19.5)
    with pytest.raises(UsageError, match="proportions"):
        read_poses(written(path, {"frames": frames}), (64, 48))


def test_a_lens_that_all_share_is_told_once(tmp_path: Path) -> None:
    said = {"fl_x": 90, "cx": 30, "cy": 20, "w": 64, "h": 48, "transform_matrix": MATRIX}
    poses = read_poses(written(tmp_path / "transforms.json", {"frames": [said, said]}))
    assert (len(poses.rows), len(poses.intrinsics)) == (2, 1)


@pytest.mark.parametrize(
    ("value", "says"), [(math.nan, "not a rotation"), (math.inf, "not a rotation"),
                        (10**400, "transform_matrix"), ("x", "transform_matrix")]
)  # fmt: skip
def test_matrices_that_are_none(tmp_path: Path, value: object, says: str) -> None:
    matrix = [[value, *MATRIX[0][1:]], *MATRIX[1:]]
    with pytest.raises(UsageError, match=says):
        read_poses(transforms(tmp_path / "transforms.json", {"transform_matrix": matrix}))


def test_a_matrix_column_by_column_is_noticed(tmp_path: Path) -> None:
    turned = np.transpose(MATRIX).tolist()
    with pytest.raises(UsageError, match="not 0 0 0 1"):
        read_poses(transforms(tmp_path / "transforms.json", {"transform_matrix": turned}))
    entry = {"camera_to_world": np.transpose(MATRIX).ravel().tolist(), "fov": 40}
    path = {"render_width": 8, "render_height": 8, "camera_path": [entry]}
    with pytest.raises(UsageError, match="not 0 0 0 1"):
        read_poses(written(tmp_path / "camera_path.json", path))


@pytest.mark.parametrize("key", ["frames", "camera_path"])
def test_no_cameras_at_all(tmp_path: Path, key: str) -> None:
    document = {key: [], "render_width": 8, "render_height": 8}
    with pytest.raises(UsageError, match="no cameras"):
        read_poses(written(tmp_path / "c.json", document))


def test_more_cameras_than_a_job_has() -> None:
    with pytest.raises(UsageError, match="1,000,001 cameras"):
        check_rows(Path("many.npy"), np.broadcast_to(POSE, (MOST + 1, 3, 4)))
