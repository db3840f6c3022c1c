"""Cameras around one object: at random and on a lattice, as much of the sphere for each."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.arrays import Array
from graf_cli.scene.rigs import scattered, spread

RANGE = st.tuples(st.floats(-80, 85), st.floats(1, 5)).map(lambda a: (a[0], a[0] + a[1]))
AZIMUTH = st.tuples(st.floats(-360, 360), st.floats(1, 360)).map(lambda a: (a[0], a[0] + a[1]))
SLACK = 1e-6


def angles(pose: Array) -> tuple[float, float, float]:
    """Azimuth, elevation in degrees, distance."""
    x, y, z = pose[:, 3]
    radius = math.sqrt(x * x + y * y + z * z)
    return math.degrees(math.atan2(y, x)), math.degrees(math.asin(z / radius)), radius


def check(pose: Array, azimuth: tuple[float, float], elevation: tuple[float, float]) -> None:
    turn, height, _ = angles(pose)
    assert elevation[0] - SLACK <= height <= elevation[1] + SLACK
    assert (turn - azimuth[0] + SLACK) % 360 <= azimuth[1] - azimuth[0] + 2 * SLACK
    assert np.allclose(pose[:, 2], pose[:, 3] / np.linalg.norm(pose[:, 3]))  # looks at the origin
    assert np.allclose(pose[:, :3].T @ pose[:, :3], np.eye(3))
    assert pose[2, 1] >= -SLACK  # up is up


@given(AZIMUTH, RANGE, st.tuples(*[st.floats(0, 1, exclude_max=True)] * 3))
def test_scattered_cameras_stay_in_their_ranges(
    azimuth: tuple[float, float],
    elevation: tuple[float, float],
    draw: tuple[float, float, float],
) -> None:
    pose = scattered(azimuth, elevation, (3.0, 5.0), draw)
    check(pose, azimuth, elevation)
    assert 3 - SLACK <= angles(pose)[2] <= 5 + SLACK


@given(AZIMUTH, RANGE, st.integers(1, 200))
def test_spread_cameras_stay_on_their_cap(
    azimuth: tuple[float, float], elevation: tuple[float, float], views: int
) -> None:
    poses = [spread(azimuth, elevation, 4.0, view, views) for view in range(views)]
    for pose in poses:
        check(pose, azimuth, elevation)
        assert abs(angles(pose)[2] - 4) < SLACK
    heights = [pose[2, 3] for pose in poses]
    assert np.allclose(np.diff(heights), np.diff(heights)[:1] if views > 1 else 0)


def nearest(poses: list[Array]) -> Array:
    eyes = np.array([pose[:, 3] for pose in poses])
    distance = np.linalg.norm(eyes[:, None] - eyes, axis=-1)
    np.fill_diagonal(distance, np.inf)
    return np.asarray(distance.min(axis=1))


def test_spread_cameras_keep_their_distance() -> None:
    """Each has as much of the sphere as any other: neighbours are nearly equally far away."""
    for views in (50, 200, 1000):
        poses = [spread((0, 360), (-90, 90), 1.0, view, views) for view in range(views)]
        found = nearest(poses)
        ideal = math.sqrt(4 * math.pi / views)
        assert 0.6 * ideal < found.min()
        assert found.max() < 1.1 * ideal


def test_scattered_cameras_are_uniform_on_the_sphere() -> None:
    source = np.random.default_rng(0)
    draws = source.random((4000, 3))
    eyes = np.array(
        [scattered((0, 360), (0, 90), (1, 1), (a, b, c))[:, 3] for a, b, c in draws.tolist()]
    )
    counts, _ = np.histogram(eyes[:, 2], bins=10, range=(0, 1))  # equal heights, equal areas
    assert np.abs(counts - 400).max() < 80
    turns, _ = np.histogram(np.arctan2(eyes[:, 1], eyes[:, 0]), bins=10)
    assert np.abs(turns - 400).max() < 80
