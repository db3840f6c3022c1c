"""Where the proof looks, and what it makes of what it sees."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.rendering.fast.proof import (
    LADDER,
    after_broken_grid,
    difference,
    matrix_products,
    precisions,
    probes,
)


def disc(size: int = 64) -> torch.Tensor:
    axis = torch.arange(size, device="cpu", dtype=torch.float32) - size / 2
    return (axis[:, None].hypot(axis) < size / 4).to(torch.float32)


def test_probes_are_on_the_outline_just_outside_and_anywhere() -> None:
    opacity = disc()
    pixels = probes(opacity, 90, seed=0)
    assert len(pixels) == 90
    radius = (pixels // 64 - 32.0).hypot(pixels % 64 - 32.0)
    assert int((radius[:30] - 16).abs().max()) <= 2
    assert bool(((radius[30:60] >= 16) & (radius[30:60] <= 20)).all())
    assert float(radius[60:].max()) > 24


def test_probes_are_the_same_for_the_same_seed() -> None:
    assert torch.equal(probes(disc(), 30, seed=3), probes(disc(), 30, seed=3))
    assert not torch.equal(probes(disc(), 30, seed=3), probes(disc(), 30, seed=4))


@given(height=st.integers(1, 9), width=st.integers(1, 9), count=st.integers(1, 200))
def test_probes_of_pictures_of_any_size(height: int, width: int, count: int) -> None:
    opacity = torch.zeros((height, width), device="cpu", dtype=torch.float32)
    opacity[0, 0] = 1
    pixels = probes(opacity, count, seed=0)
    assert 0 < len(pixels) <= count
    assert int(pixels.min()) >= 0
    assert int(pixels.max()) < height * width


def test_difference_is_of_colour_on_black_on_the_background_and_of_opacity() -> None:
    truth = torch.zeros((3, 5), device="cpu", dtype=torch.float32)
    for column, background, expected in (
        (0, (0.0, 0.0, 0.0), 0.25),
        (3, (0.0, 0.0, 0.0), 0.25),
        (4, (1.0, 1.0, 1.0), 0.0),
    ):
        seen = truth.clone()
        seen[1, column] = 0.25
        assert difference(seen, truth, background) == expected
    seen = truth.clone()
    seen[2, 0], seen[2, 3] = 0.25, -0.25
    assert difference(seen, truth, (1.0, 1.0, 1.0)) == 0.5
    seen[0, 1] = torch.nan
    assert difference(seen, truth, (1.0, 1.0, 1.0)) == float("inf")


def test_a_grid_that_is_often_wrong_is_given_up_at_once() -> None:
    assert after_broken_grid(0, 0.001) == 1
    assert after_broken_grid(0, 0.2) == after_broken_grid(1, 0.0) == len(LADDER) - 1
    assert LADDER[-1].cells == 0


def test_reduced_precision_is_tried_by_itself_on_cuda_only() -> None:
    cuda = torch.device("cuda")
    assert precisions("auto", torch.device("cpu")) == ["float32"]
    assert precisions("auto", cuda)[-1] == "float32"
    assert len(precisions("auto", cuda)) > 1
    assert precisions("bfloat16", cuda) == ["bfloat16"]


def test_tf32_is_set_back() -> None:
    before = torch.backends.cuda.matmul.allow_tf32
    with matrix_products("tf32"):
        assert torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cuda.matmul.allow_tf32 == before
