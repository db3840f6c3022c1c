"""Specifications: bounds, derived angles, and the words of their errors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from graf_cli.model.spec import from_plain, to_plain
from graf_cli.scene.spec import CameraSpec, explain
from tests.conftest import small_spec


def camera(**values: Any) -> CameraSpec:
    plain = {"near": 1.0, "far": 3.0, "radius": [2.0, 2.0], "fov": 30.0} | values
    return msgspec.convert(plain, CameraSpec)


def test_defaults_are_those_of_the_release() -> None:
    network, latent = NetworkSpec(), LatentSpec()
    assert (network.depth, network.width, network.samples, network.importance) == (8, 256, 64, 0)
    assert (network.multires, network.multires_views, network.use_viewdirs) == (10, 4, True)
    assert (latent.prior, latent.dim, latent.dim_appearance, latent.dim_shape) == (
        "gauss", 256, 128, 128,
    )  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        {"near": -1}, {"near": 3}, {"near": 4}, {"far": 0}, {"fov": 0}, {"fov": 180},
        {"radius": [0, 1]}, {"radius": [2, 1]}, {"radius": [1]}, {"radius": 2},
        {"u": [-0.1, 1]}, {"u": [0, 1.1]}, {"v": [0.5, 0.4]},
        {"near": "1"}, {"orthographic": 1}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_camera_outside_its_bounds_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        camera(**values)


@pytest.mark.parametrize("key", ["near", "far", "fov"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_no_number_is_beyond_all_measure(key: str, number: float) -> None:
    with pytest.raises(msgspec.ValidationError):
        camera(**{key: number})
    with pytest.raises(msgspec.ValidationError):
        camera(radius=[number, number])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (NetworkSpec, {"width": 100_000}), (NetworkSpec, {"width": 1}),
        (NetworkSpec, {"depth": 0}), (NetworkSpec, {"depth": 5}), (NetworkSpec, {"depth": 1000}),
        (NetworkSpec, {"multires": 33}), (NetworkSpec, {"multires": -1}),
        (NetworkSpec, {"samples": 0}), (NetworkSpec, {"importance": -1}),
        (LatentSpec, {"dim": 0}), (LatentSpec, {"dim": 4, "dim_appearance": 4}),
        (LatentSpec, {"prior": "cauchy"}),
    ],
)  # fmt: skip
def test_a_network_outside_its_bounds_is_refused(kind: Any, values: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, kind)


def test_a_radius_varies_when_it_is_a_range() -> None:
    assert not camera().radius_varies
    assert camera(radius=[1.9, 2.1]).radius_varies


def test_ranges_are_told_in_degrees() -> None:
    seen = camera(u=[0.0, 0.25], v=[0.0, 0.5])
    assert seen.azimuth == (0, 90)
    assert seen.elevation == pytest.approx((0, 90))
    assert camera(v=[0.5, 1.0]).elevation == pytest.approx((-90, 0))


@given(st.floats(0, 1), st.floats(0, 1))
def test_elevation_is_told_lowest_first(a: float, b: float) -> None:
    low, high = camera(v=sorted([a, b])).elevation
    assert -90 <= low <= high <= 90


def test_a_specification_survives_json() -> None:
    spec = small_spec()
    assert from_plain(msgspec.json.decode(msgspec.json.encode(to_plain(spec)))) == spec


@pytest.mark.parametrize(
    ("value", "inside", "sentence"),
    [
        ({"near": 1}, "", "Missing key `far`"),
        ({"near": 1}, "models.x.camera", "Missing key `far` at `models.x.camera`"),
        ({"near": "1"}, "", "Expected `float`, got `str` at `near`"),
        ({"near": "1"}, "models.x.camera", "Expected `float`, got `str` at `models.x.camera.near`"),
        (3, "models.x", "Expected `object`, got `int` at `models.x`"),
        ({"radius": [1, "a"]}, "c", "Expected `float`, got `str` at `c.radius[1]`"),
    ],
)
def test_an_error_tells_the_key(value: object, inside: str, sentence: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, CameraSpec)
    assert explain(caught.value, inside) == sentence
