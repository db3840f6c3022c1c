"""Poses and rays keep the conventions that `camera` states."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.arrays import Array
from graf_cli.scene.camera import (
    Camera,
    along_axis,
    azimuth_of,
    camera_for,
    elevation_of,
    pose_on_sphere,
    rays,
)
from graf_cli.scene.spec import CameraSpec, PixelCentres
from tests.conftest import CPU

azimuths = st.floats(-720, 720)
elevations = st.floats(-90, 90)
radii = st.floats(0.1, 100)


def spec(*, radius: tuple[float, float] = (10, 10), orthographic: bool = False) -> CameraSpec:
    return CameraSpec(near=7.5, far=12.5, radius=radius, fov=30, orthographic=orthographic)


def camera(width: int = 6, height: int = 4, *, orthographic: bool = False) -> Camera:
    pose = pose_on_sphere(30, 20, 10)
    return camera_for(spec(orthographic=orthographic), pose, width=width, height=height)


# poses


@given(azimuths, elevations, radii)
def test_a_pose_is_a_right_handed_rotation(azimuth: float, elevation: float, radius: float) -> None:
    rotation = pose_on_sphere(azimuth, elevation, radius)[:, :3]
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


@given(azimuths, elevations, radii)
def test_a_pose_looks_at_the_origin_from_its_radius(
    azimuth: float, elevation: float, radius: float
) -> None:
    pose = pose_on_sphere(azimuth, elevation, radius)
    assert np.linalg.norm(pose[:, 3]) == pytest.approx(radius)
    np.testing.assert_allclose(-pose[:, 2] * radius, -pose[:, 3], atol=1e-9)


@given(azimuths, elevations, radii)
def test_up_is_up_and_right_is_level(azimuth: float, elevation: float, radius: float) -> None:
    rotation = pose_on_sphere(azimuth, elevation, radius)[:, :3]
    assert rotation[2, 0] == 0
    assert rotation[2, 1] >= -1e-12


@given(azimuths, st.floats(-89.9, 89.9))
def test_a_pose_is_the_release_s_construction(azimuth: float, elevation: float) -> None:
    pose = pose_on_sphere(azimuth, elevation, 1)
    z = pose[:, 3] / np.linalg.norm(pose[:, 3])
    x = np.cross([0, 0, 1], z)
    x /= np.linalg.norm(x)
    np.testing.assert_allclose(pose[:, :3], np.stack([x, np.cross(z, x), z], axis=1), atol=1e-9)


@pytest.mark.parametrize("pole", [90.0, -90.0])
@given(azimuth=azimuths)
def test_the_poles_are_reached_without_a_jump(pole: float, azimuth: float) -> None:
    at = pose_on_sphere(azimuth, pole, 2)
    almost = pose_on_sphere(azimuth, pole * (1 - 1e-6), 2)
    np.testing.assert_allclose(at[:, 3], [0, 0, math.copysign(2, pole)], atol=1e-12)
    np.testing.assert_allclose(at, almost, atol=1e-5)


def test_azimuth_turns_from_x_to_y_and_elevation_rises_to_z() -> None:
    np.testing.assert_allclose(pose_on_sphere(0, 0, 1)[:, 3], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(pose_on_sphere(90, 0, 1)[:, 3], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(pose_on_sphere(0, 90, 1)[:, 3], [0, 0, 1], atol=1e-12)


@given(st.floats(0, 1), st.floats(0, 1))
def test_u_and_v_are_uniform_on_the_sphere(u: float, v: float) -> None:
    eye = pose_on_sphere(azimuth_of(u), elevation_of(v), 1)[:, 3]
    assert eye[2] == pytest.approx(1 - 2 * v, abs=1e-9)  # Archimedes: height is uniform
    assert azimuth_of(u) == pytest.approx(360 * u)


# depths


@pytest.mark.parametrize("distance", [5.0, 9.9, 10.0, 10.1, 30.0])
def test_near_and_far_move_along_with_a_camera_off_its_radius(distance: float) -> None:
    seen = camera_for(spec(), pose_on_sphere(0, 0, distance), width=2, height=2)
    assert seen.near == pytest.approx(distance - 2.5)
    assert seen.far == pytest.approx(distance + 2.5)
    assert seen.radius_max is None


def test_near_and_far_do_not_feel_the_rounding_of_a_pose() -> None:
    pose = pose_on_sphere(12, 34, 10).astype(np.float32).astype(np.float64)
    assert np.linalg.norm(pose[:, 3]) != 10
    seen = camera_for(spec(), pose, width=2, height=2)
    assert (seen.near, seen.far) == (7.5, 12.5)


@given(st.floats(9, 11))
def test_near_moves_without_a_jump(distance: float) -> None:
    seen = camera_for(spec(), pose_on_sphere(0, 0, distance), width=2, height=2)
    assert seen.near == pytest.approx(distance - 2.5, abs=2e-4)


def test_nothing_is_seen_behind_a_camera() -> None:
    seen = camera_for(spec(), pose_on_sphere(0, 0, 1), width=2, height=2)
    assert (seen.near, seen.far) == (0, 3.5)


def test_parallel_rays_keep_their_scale_however_near_the_camera() -> None:
    seen = camera_for(spec(orthographic=True), pose_on_sphere(0, 0, 1), width=2, height=2)
    assert seen.far - seen.near == 5


@pytest.mark.parametrize("distance", [8.0, 9.5, 10.2, 11.0])
def test_a_radius_range_shifts_near_and_far_of_each_ray(distance: float) -> None:
    seen = camera_for(spec(radius=(9.5, 10.5)), pose_on_sphere(40, 10, distance), width=3, height=2)
    through = rays(seen, device=CPU, dtype=torch.float64)
    torch.testing.assert_close(through.near, torch.full_like(through.near, distance - 3))
    torch.testing.assert_close(through.far, torch.full_like(through.far, distance + 2))


def test_a_radius_range_of_parallel_rays_shifts_each_by_its_own_origin() -> None:
    ranged = spec(radius=(9.5, 10.5), orthographic=True)
    seen = camera_for(ranged, pose_on_sphere(40, 10, 10), width=4, height=4)
    through = rays(seen, device=CPU, dtype=torch.float64)
    expected = 7.5 + through.origins.norm(dim=-1, keepdim=True) - 10.5
    torch.testing.assert_close(through.near, expected)
    assert float(through.near.max() - through.near.min()) > 0.1


# rays


def naive_rays(seen: Camera) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The definition, pixel by pixel."""
    rotation, eye = seen.pose[:, :3], seen.pose[:, 3]
    focal = seen.width / 2 / math.tan(math.radians(seen.fov) / 2)
    side = seen.far - seen.near
    origins, directions = [], []
    for j in range(seen.height):
        for i in range(seen.width):
            right, up = i - seen.width / 2, -(j - seen.height / 2)
            if seen.orthographic:
                offset = [right * side / seen.width, up * side / seen.height, 0]
                origins.append(eye + rotation @ offset)
                directions.append(-rotation[:, 2])
            else:
                origins.append(eye)
                directions.append(rotation @ [right / focal, up / focal, -1])
    return origins, directions


@pytest.mark.parametrize("orthographic", [False, True])
@given(
    width=st.integers(1, 9),
    height=st.integers(1, 9),
    azimuth=azimuths,
    elevation=elevations,
    fov=st.floats(1, 150),
)
def test_rays_are_their_definition(
    *, orthographic: bool, width: int, height: int, azimuth: float, elevation: float, fov: float
) -> None:
    pose = pose_on_sphere(azimuth, elevation, 10)
    seen = camera_for(spec(orthographic=orthographic), pose, width=width, height=height, fov=fov)
    origins, directions = naive_rays(seen)
    through = rays(seen, device=CPU, dtype=torch.float64)
    assert len(through) == width * height
    np.testing.assert_allclose(through.origins.numpy(), origins, atol=1e-9)
    np.testing.assert_allclose(through.directions.numpy(), directions, atol=1e-9)


@pytest.mark.parametrize("orthographic", [False, True])
@given(cuts=st.lists(st.integers(0, 35), max_size=4))
def test_rays_of_parts_are_those_of_the_whole(orthographic: bool, cuts: list[int]) -> None:
    seen = camera(7, 5, orthographic=orthographic)
    whole = rays(seen, device=CPU, dtype=torch.float32)
    ends = [0, *sorted(cuts), 35]
    parts = [
        rays(seen, device=CPU, dtype=torch.float32, start=start, stop=stop)
        for start, stop in pairwise(ends)
    ]
    for key in ("origins", "directions", "near", "far"):
        together = torch.cat([getattr(part, key) for part in parts])
        assert torch.equal(together, getattr(whole, key))


def test_rays_are_cut_like_a_sequence() -> None:
    whole = rays(camera(), device=CPU, dtype=torch.float32)
    part = whole[3:9]
    assert len(part) == 6
    assert torch.equal(part.directions, whole.directions[3:9])
    assert torch.equal(part.near, whole.near[3:9])


def test_depth_along_a_ray_is_depth_along_the_axis() -> None:
    seen = camera()
    through = rays(seen, device=CPU, dtype=torch.float64)
    along = through.directions @ torch.as_tensor(-seen.pose[:, 2], device="cpu")
    torch.testing.assert_close(along, torch.ones_like(along))


def test_the_field_of_view_spans_the_width() -> None:
    seen = camera(8, 2)
    through = rays(seen, device=CPU, dtype=torch.float64)
    left, middle = through.directions[8], through.directions[8 + 4]
    angle = math.degrees(math.acos(float(left @ middle / left.norm() / middle.norm())))
    assert angle == pytest.approx(seen.fov / 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rays_have_the_type_asked_for(dtype: torch.dtype) -> None:
    through = rays(camera(), device=CPU, dtype=dtype)
    for values in (through.origins, through.directions, through.near, through.far):
        assert values.dtype == dtype


# conventions of other families


def conventional(pixels: PixelCentres, depths: Literal["axis", "ray"] = "axis") -> Camera:
    spec = CameraSpec(near=2.0, far=6.0, radius=(4.0, 4.0), fov=40.0, pixels=pixels, depths=depths)
    return camera_for(spec, pose_on_sphere(30, 20, 4), width=8, height=8)


def local(camera: Camera) -> Array:
    """Directions in the camera's own axes, shape = (H, W, 3)."""
    seen = rays(camera, device=CPU, dtype=torch.float64)
    directions = seen.directions.numpy() @ camera.pose[:, :3]
    return np.asarray(directions.reshape(camera.height, camera.width, 3))


def test_corner_aligned_pixels_lie_on_the_border_of_the_field_of_view() -> None:
    found = local(conventional("corner"))
    edge = math.tan(math.radians(20))
    np.testing.assert_allclose(found[0, 0], [-edge, edge, -1], atol=1e-12)
    np.testing.assert_allclose(found[-1, -1], [edge, -edge, -1], atol=1e-12)


def test_centred_pixels_are_symmetric_within_it() -> None:
    found = local(conventional("centre"))
    edge = math.tan(math.radians(20)) * 7 / 8
    np.testing.assert_allclose(found[0, 0], [-edge, edge, -1], atol=1e-12)
    np.testing.assert_allclose(found, -found[::-1, ::-1] * [1, 1, -1], atol=1e-12)


def test_depths_along_rays_become_depths_along_the_axis() -> None:
    camera = conventional("centre", "ray")
    seen = rays(camera, device=CPU, dtype=torch.float64)
    assert torch.allclose(seen.directions.norm(dim=-1), torch.ones_like(seen.near[:, 0]))
    pixel = torch.arange(64, device=CPU, dtype=torch.int64)
    factor = along_axis(camera, pixel, dtype=torch.float64)
    forward = -torch.as_tensor(camera.pose[:, 2], device=CPU, dtype=torch.float64)
    assert torch.allclose(seen.directions @ forward, factor)
    plain = along_axis(conventional("centre"), pixel, dtype=torch.float64)
    assert torch.equal(plain, torch.ones_like(plain))


@given(st.floats(-180, 180), st.floats(-89, 89))
def test_a_pivot_is_looked_at(azimuth: float, elevation: float) -> None:
    pivot = (0.2, -0.1, 0.3)
    pose = pose_on_sphere(azimuth, elevation, 2.7, pivot)
    np.testing.assert_allclose(pose[:, :3].T @ pose[:, :3], np.eye(3), atol=1e-9)
    assert np.linalg.norm(pose[:, 3]) == pytest.approx(2.7)
    towards = np.array(pivot) - pose[:, 3]
    np.testing.assert_allclose(-pose[:, 2], towards / np.linalg.norm(towards), atol=1e-9)
    assert pose[2, 0] == pytest.approx(0, abs=1e-9)  # level
    assert pose[2, 1] > 0  # up is up
