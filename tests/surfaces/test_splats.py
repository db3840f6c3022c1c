"""Splats of fields whose surface is known, and how they are composited."""

from __future__ import annotations

import numpy as np
import pytest

import graf_cli as graf
from graf_cli.surfaces.harmonics import basis, count_of
from graf_cli.surfaces.shapes import Splats
from graf_cli.surfaces.splats import INSET, from_z
from graf_cli.surfaces.splatting import composited, rotations, weights
from tests.rendering.fast import crafted
from tests.surfaces.objects import HALF, floats, height, shot_of, taken

CENTRE = (0.1, -0.2, 0.05)


def splats(sh: int = 0) -> Splats:
    made = taken(crafted.tent(CENTRE, HALF), "splats", resolution=24, sh=sh)
    assert isinstance(made, Splats)
    return made


@pytest.fixture(scope="module")
def tent() -> Splats:
    return splats()


def test_they_lie_flat_below_the_surface(tent: Splats) -> None:
    inside = height(tent.positions.astype(np.float64), CENTRE, HALF)
    assert (inside > np.log(2) / (4 / 31) - 1).all()
    flat = rotations(tent.rotations.astype(np.float64))[:, :, 2]
    away = np.sign(tent.positions - np.array(CENTRE)) / HALF
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    assert np.median((flat * away).sum(axis=1)) > 0.99
    assert (tent.scales[:, 2] < tent.scales[:, 0]).all()
    assert INSET > 0


def test_they_look_like_the_exact_picture(tent: Splats) -> None:
    generator = crafted.tent(CENTRE, HALF)
    frame = graf.render(generator, azimuth=70, elevation=20, size=64, fov=20)
    rgb, opacity = composited(tent, frame.shot.camera)
    mask, there = opacity > 0.5, frame.opacity > 0.5
    assert (mask & there).sum() / (mask | there).sum() > 0.9
    solid = opacity > 0.9
    assert np.abs(rgb[solid] / opacity[solid, None] - [0.8808, 0.5, 0.1192]).max() < 0.02


def test_one_splat_is_a_gaussian() -> None:
    """By the formulas of the paper, written out for one pixel."""
    camera = shot_of(crafted.tent(CENTRE, HALF), azimuth=0, elevation=0, size=33).camera
    turn = from_z(np.array([[0.6, 0.0, 0.8]]))
    one = Splats(
        positions=floats([[0.1, 0.2, -0.1]]),
        scales=floats([[0.2, 0.3, 0.1]]),
        rotations=turn.astype(np.float32),
        opacities=floats([0.7]),
        harmonics=np.zeros((1, 1, 3), np.float32),
    )
    axes = rotations(turn)[0] * [0.2, 0.3, 0.1]
    # A camera on the x axis: right is y, up is z.
    depth, f = 4 - 0.1, camera.focal
    jacobian = np.array([[0.2 / depth, 1, 0], [0.1 / depth, 0, -1]]) * f / depth
    covariance = jacobian @ axes @ axes.T @ jacobian.T + 0.3 * np.eye(2)
    middle = np.array([0.2 / depth * f + 16.5, 0.1 / depth * f + 16.5])
    found = weights(one, camera)
    for pixel, weight in list(zip(found.pixel, found.weight, strict=True))[::7]:
        away = np.array([pixel % 33, pixel // 33]) - middle
        wanted = 0.7 * np.exp(-0.5 * away @ np.linalg.solve(covariance, away))
        assert weight == pytest.approx(wanted, rel=1e-4)
    assert len(found.pixel) > 20


def test_harmonics_are_orthonormal() -> None:
    random = np.random.default_rng(0).normal(size=(200_000, 3))
    values = basis(random / np.linalg.norm(random, axis=1, keepdims=True), 3)
    assert values.shape[1] == count_of(3) == 16
    assert np.allclose(4 * np.pi * values.T @ values / len(values), np.eye(16), atol=0.03)


def test_harmonics_follow_a_colour_that_turns() -> None:
    """Of a field whose colour is one from everywhere, they are nothing; degrees add numbers."""
    made = splats(sh=1)
    assert made.harmonics.shape[1:] == (4, 3)
    assert np.abs(made.harmonics[:, 1:]).max() < 1e-3


def test_quaternions_turn_the_axis() -> None:
    normals = np.array([[0, 0, 1], [0, 0, -1], [1, 0, 0], [0.48, -0.6, 0.64]])
    assert np.allclose(rotations(from_z(normals))[:, :, 2], normals)
