"""Boxes in the world and in pictures, held against rays that meet them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from graf_cli.scene.camera import Camera, pose_on_sphere, rays
from graf_cli.scene.placed import OrientedBox, rectangle, seen_by

CPU = torch.device("cpu")


def camera(**changes: Any) -> Camera:
    given: dict[str, Any] = {"width": 60, "height": 40, "fov": 40.0, "near": 0.1, "far": 9.0}
    pose = pose_on_sphere(30, 25, 3.0)
    return Camera(**{"pose": pose, "pixels": "centre", **given, **changes})


def box(
    centre: tuple[float, float, float] = (0.1, -0.2, 0.1),
    half: tuple[float, float, float] = (0.5, 0.2, 0.3),
    turn: float = 33.0,
) -> OrientedBox:
    angle = math.radians(turn)
    pose = np.eye(4)
    pose[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    pose[:3, 3] = centre
    return OrientedBox(0, True, pose, half)


def met(seen: Camera, placed: OrientedBox) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each pixel's ray goes through the box, shape = (H, W): the slabs of its axes."""
    through = rays(seen, device=CPU, dtype=torch.float64)
    rotation = placed.pose[:3, :3]
    origins = (through.origins.numpy() - placed.pose[:3, 3]) @ rotation
    directions = through.directions.numpy() @ rotation
    with np.errstate(divide="ignore"):
        ends = np.stack([(side * np.array(placed.half) - origins) / directions for side in (-1, 1)])
    near, far = ends.min(axis=0).max(axis=-1), ends.max(axis=0).min(axis=-1)
    return np.asarray((far > np.maximum(near, 0)).reshape(seen.height, seen.width))


@pytest.mark.parametrize("pixels", ["integer", "centre", "corner"])
@pytest.mark.parametrize(
    "placed",
    [box(), box(half=(0.3, 0.3, 0.3), turn=0), box(centre=(0.4, 0.5, -0.1)), box((-1, 0.2, 0.4))],
)
def test_a_rectangle_holds_the_pixels_that_see_the_box_and_no_more(
    placed: OrientedBox, pixels: Any
) -> None:
    seen = camera(pixels=pixels)
    rows, columns = np.nonzero(met(seen, placed))
    found = rectangle(seen, placed)
    assert found is not None
    left, top, right, bottom = found
    assert left <= columns.min() + 0.5 <= left + 1.5
    assert right - 1.5 <= columns.max() + 0.5 <= right
    assert top <= rows.min() + 0.5 <= top + 1.5
    assert bottom - 1.5 <= rows.max() + 0.5 <= bottom


def test_a_box_that_reaches_behind_the_camera_is_cut_off_at_the_border() -> None:
    seen = camera()
    long = box((*(0.55 * seen.eye),), half=(0.2, 4.0, 0.2), turn=-60)  # along the line of sight
    rows, columns = np.nonzero(met(seen, long))
    found = rectangle(seen, long)
    assert found is not None
    left, top, right, bottom = found
    assert left <= columns.min()
    assert right >= columns.max() + 1
    assert top <= rows.min()
    assert bottom >= rows.max() + 1


@pytest.mark.parametrize("along", [1.5, -9.0])
def test_what_is_behind_the_camera_or_beside_the_picture_has_none(along: float) -> None:
    seen = camera()
    away = (*(along * seen.eye),) if along > 0 else (0.0, along, 0.0)
    small = box(away, half=(0.1, 0.1, 0.1))
    assert not met(seen, small).any()
    assert rectangle(seen, small) is None


def test_a_pose_in_the_camera_puts_corners_where_the_world_has_them() -> None:
    seen, placed = camera(), box()
    inside = np.linalg.inv(placed.pose) @ np.column_stack((placed.corners, np.ones(8))).T
    ours = (seen_by(seen, placed.pose) @ inside)[:3].T
    theirs = (placed.corners - seen.eye) @ seen.pose[:, :3]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
