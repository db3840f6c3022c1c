"""Files of cameras say what was drawn, by the conventions of those who read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graf_cli.errors import UsageError
from graf_cli.output.cameras import camera_path, cameras_of, is_path
from graf_cli.output.formats import target_of
from graf_cli.request import sweep
from graf_cli.scene.camera import Camera, rays
from graf_cli.scene.poses import read_poses
from graf_cli.shots import Shots
from tests.conftest import CPU
from tests.output.datasets import SPEC
from tests.output.frames import reference

REF = reference(SPEC)
SIZE = (10, 6)


def cameras(**options: Any) -> list[Camera]:
    return [shot.camera for shot in Shots(sweep(REF, SPEC, size=SIZE, **options), SPEC)]


def nerfstudio(document: dict[str, Any], n: int) -> np.ndarray:
    """Directions by nerfstudio's convention, written anew: `fov` spans the height, the principal
    point is the middle, pixels are looked through at their centres."""
    entry = document["camera_path"][n]
    width, height = document["render_width"], document["render_height"]
    focal = height / 2 / np.tan(entry["fov"] * np.pi / 180 / 2)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    local = np.stack(
        ((x - width / 2) / focal, -(y - height / 2) / focal, -np.ones_like(x)), axis=-1
    )
    matrix = np.reshape(entry["camera_to_world"], (4, 4))
    return (local @ matrix[:3, :3].T).reshape(-1, 3)


def directions(camera: Camera) -> np.ndarray:
    found = rays(camera, device=CPU, dtype=torch.float64).directions.numpy()
    return np.asarray(found, dtype=np.float64)


def test_nerfstudio_draws_a_written_path(tmp_path: Path) -> None:
    middle = (30.0, 30.0, (SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2)  # the form's own principal point
    drawn = cameras(azimuth=(0, 90), frames=3, intrinsics=[middle])
    document = json.loads(json.dumps(camera_path(drawn, 24)))
    for n, camera in enumerate(drawn):
        assert np.allclose(nerfstudio(document, n), directions(camera), atol=1e-12)
    for entry in document["camera_path"]:
        del entry["graf"]  # as the viewer saves it
    path = tmp_path / "camera_path.json"
    path.write_text(json.dumps(document))
    read = read_poses(path)
    assert (read.size, read.fps) == (SIZE, 24)
    assert read.intrinsics[0] == pytest.approx(middle)


def test_a_path_of_our_own_middle_is_half_a_pixel_beside_for_others(tmp_path: Path) -> None:
    drawn = cameras(azimuth=30)
    document = camera_path(drawn, 30)
    beside = (nerfstudio(document, 0) - directions(drawn[0])) @ drawn[0].pose[:, :3]
    step = 0.5 / drawn[0].lens.fx
    assert np.allclose(beside, (step, -step, 0))
    path = tmp_path / "camera_path.json"
    path.write_text(json.dumps(document))
    assert read_poses(path).fov == drawn[0].fov  # for us, nothing is lost


@pytest.mark.parametrize("lens", [(30, 31, 5, 3), (30, 30, 5.5, 3), (30, 30, 5, 2)])
def test_what_a_path_cannot_say(lens: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match=r"transforms\.json"):
        camera_path(cameras(intrinsics=[lens]), 30)


@pytest.mark.parametrize("lens", [None, (30.0, 31.0, 2.0, 3.5)])
def test_transforms_read_back(tmp_path: Path, lens: tuple[float, ...] | None) -> None:
    recipe = sweep(
        REF, SPEC, size=SIZE, azimuth=(0, 90), frames=3, intrinsics=[lens] if lens else None
    )
    path = tmp_path / "transforms.json"
    target = target_of(f"{tmp_path}/views/")
    path.write_bytes(cameras_of(path, recipe, Shots(recipe, SPEC), target))
    read = read_poses(path)
    assert read.size == SIZE
    assert [tuple(row) for row in read.intrinsics] == ([lens] if lens else [])
    assert read.rows == [shot.camera.pose.ravel().tolist() for shot in Shots(recipe, SPEC)]
    frames = json.loads(path.read_text())["frames"]
    assert [frame["file_path"] for frame in frames] == [f"views/000{k}.png" for k in range(3)]


def test_the_name_decides() -> None:
    assert is_path(Path("a/camera_path.json")) and is_path(Path("x.camera_path.json"))
    assert not is_path(Path("mycamera_path.json")) and not is_path(Path("transforms.json"))
