"""Latents: the same seed is the same object, everywhere and for ever."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from graf_cli.errors import UsageError
from graf_cli.families.graf.scene import draw_codes as draw
from graf_cli.families.graf.spec import LatentSpec, Spec, features
from graf_cli.scene.codes import Code, along_great_circle, read_rows, split
from graf_cli.scene.features import Features

GAUSS, UNIFORM = LatentSpec(), LatentSpec(prior="uniform")
SMALL = LatentSpec(dim=5, dim_appearance=2)


def features_of(latent: LatentSpec) -> Features:
    return features(Spec(latent=latent))


def slerp(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    return along_great_circle(Code(a, b, t))


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, device="cpu", dtype=torch.float64)


# draws

GAUSS_0, GAUSS_0_APPEARANCE = (
    [-1.12584, -1.15236, -0.250579, -0.433879],
    [-0.883376, -0.418913, -0.804826, 0.56561],
)
GAUSS_3, GAUSS_3_APPEARANCE = (
    [-0.076644, 0.359882, -0.782017, 0.071528],
    [-0.126347, 0.31136, 2.466688, -1.08544],
)
UNIFORM_0, UNIFORM_0_APPEARANCE = (
    [-0.007487, 0.536444, -0.823045, -0.735939],
    [-0.349833, -0.819622, -0.212715, 0.213756],
)


def test_seeds_give_the_objects_they_always_gave() -> None:
    """A change here changes every picture that anybody noted the seed of."""
    golden = {
        (GAUSS, 0): (GAUSS_0, GAUSS_0_APPEARANCE),
        (GAUSS, 3): (GAUSS_3, GAUSS_3_APPEARANCE),
        (UNIFORM, 0): (UNIFORM_0, UNIFORM_0_APPEARANCE),
    }
    for (spec, seed), (shape, appearance) in golden.items():
        latent = draw(spec, seed)
        assert latent.shape[:4].tolist() == pytest.approx(shape, abs=1e-6)
        assert latent.appearance[:4].tolist() == pytest.approx(appearance, abs=1e-6)


def test_a_draw_disturbs_no_other_and_is_disturbed_by_none() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = draw(GAUSS, 7)
    draw(GAUSS, 8)
    again = draw(GAUSS, 7)
    assert torch.equal(first.shape, again.shape)
    assert torch.equal(first.appearance, again.appearance)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("spec", [GAUSS, UNIFORM, SMALL], ids=["gauss", "uniform", "small"])
def test_a_draw_has_the_lengths_and_the_place_of_the_model(spec: LatentSpec) -> None:
    latent = draw(spec, 1)
    assert latent.shape.shape == (spec.dim_shape,)
    assert latent.appearance.shape == (spec.dim_appearance,)
    assert latent.shape.device.type == "cpu"
    assert latent.shape.dtype == torch.float32


def test_priors_have_their_moments() -> None:
    for spec, variance in ((GAUSS, 1.0), (UNIFORM, 1 / 3)):
        z = torch.cat([draw(spec, seed).shape for seed in range(100)])
        assert float(z.mean()) == pytest.approx(0, abs=0.03)
        assert float(z.var()) == pytest.approx(variance, rel=0.04)
    assert float(z.abs().max()) <= 1


def test_a_code_is_shape_first() -> None:
    codes = split(features_of(SMALL), torch.arange(5, device="cpu", dtype=torch.float32))
    assert codes["shape"].tolist() == [0, 1, 2]
    assert codes["appearance"].tolist() == [3, 4]


def test_a_model_may_have_no_appearance() -> None:
    assert len(draw(LatentSpec(dim=4, dim_appearance=0), 0).appearance) == 0


# interpolation

vectors = st.lists(st.floats(-3, 3), min_size=4, max_size=4).map(lambda v: vector(*v))
fractions = st.floats(0, 1)


def angle(a: torch.Tensor, b: torch.Tensor) -> float:
    return math.acos(max(-1, min(1, float(a @ b / a.norm() / b.norm()))))


@given(vectors, vectors)
def test_both_ends_are_exact(a: torch.Tensor, b: torch.Tensor) -> None:
    assert torch.equal(slerp(a, b, 0), a)
    assert torch.equal(slerp(a, b, 1), b)


@given(vectors, vectors, fractions)
def test_there_and_back_is_the_same_way(a: torch.Tensor, b: torch.Tensor, t: float) -> None:
    torch.testing.assert_close(slerp(a, b, t), slerp(b, a, 1 - t), rtol=1e-6, atol=1e-6)


@given(vectors, vectors, fractions)
def test_the_way_stays_on_the_sphere_at_an_even_pace(
    a: torch.Tensor, b: torch.Tensor, t: float
) -> None:
    assume(a.norm() > 0.1 and b.norm() > 0.1)
    a, b = a / a.norm(), b / b.norm()
    whole = angle(a, b)
    assume(0.01 < whole < 3.1)
    at = slerp(a, b, t)
    assert float(at.norm()) == pytest.approx(1, abs=1e-6)
    assert angle(a, at) == pytest.approx(t * whole, abs=1e-5)


@given(vectors, fractions)
def test_codes_that_leave_no_circle_take_the_straight_line(a: torch.Tensor, t: float) -> None:
    for b in (a, 2 * a, -a, torch.zeros_like(a)):
        expected = a * (1 - t) + b * t
        torch.testing.assert_close(slerp(a, b, t), expected, rtol=1e-5, atol=1e-5)


def test_empty_codes_are_interpolated_too() -> None:
    assert len(slerp(vector(), vector(), 0.5)) == 0


# files


def write(path: Path, **arrays: object) -> Path:
    np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    return path


def test_codes_are_read_from_npy(tmp_path: Path) -> None:
    codes = np.arange(10.0).reshape(2, 5)
    np.save(tmp_path / "z.npy", codes)
    np.testing.assert_array_equal(read_rows(tmp_path / "z.npy", features_of(SMALL)), codes)


def test_a_single_code_is_one_row(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.arange(5, dtype=np.float32))
    assert read_rows(tmp_path / "z.npy", features_of(SMALL)).shape == (1, 5)


def test_codes_are_read_from_npz_shape_first(tmp_path: Path) -> None:
    path = write(tmp_path / "z.npz", appearance=[[3, 4], [3, 4]], shape=[[0, 1, 2], [0, 1, 2]])
    np.testing.assert_array_equal(read_rows(path, features_of(SMALL)), [[0, 1, 2, 3, 4]] * 2)


def test_an_npz_of_one_array_holds_whole_codes(tmp_path: Path) -> None:
    path = write(tmp_path / "z.npz", z=np.zeros((3, 5)))
    assert read_rows(path, features_of(SMALL)).shape == (3, 5)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": np.zeros((2, 4))}, r"shape \(2, 4\); this model takes n × 5"),
        ({"z": np.zeros((0, 5))}, r"shape \(0, 5\)"),
        ({"z": np.zeros((1, 1, 5))}, r"shape \(1, 1, 5\)"),
        ({"z": 3.0}, r"shape \(1, 1\)"),
        ({"shape": np.zeros((2, 3)), "appearance": np.zeros((1, 2))}, "as many rows of each"),
        ({"shape": np.zeros((2, 2)), "appearance": np.zeros((2, 2))}, r"\(2, 4\)"),
        ({"shape": np.zeros((2, 3))}, r"\(2, 3\)"),
        ({"a": np.zeros(5), "b": np.zeros(5)}, r"\['a', 'b'\]"),
        ({}, "holds the arrays"),
        ({"z": np.full((1, 5), np.nan)}, "NaN"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    path = write(tmp_path / "z.npz", **arrays)
    with pytest.raises(UsageError, match=message) as caught:
        read_rows(path, features_of(SMALL))
    assert str(path) in str(caught.value)
