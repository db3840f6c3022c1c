"""What people write for sweeps, seeds, sizes, colours and kinds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.errors import UsageError
from graf_cli.recipe import Kind
from graf_cli.syntax import (
    KINDS,
    MAX_SEED,
    MAX_SIZE,
    parse_colour,
    parse_depths,
    parse_seeds,
    parse_show,
    parse_size,
    parse_split,
    parse_sweep,
    rgb_of,
)

PARSERS = (
    parse_colour, parse_depths, parse_seeds, parse_show, parse_size, parse_split, parse_sweep,
)  # fmt: skip


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_sweeps(values: list[float]) -> None:
    assert parse_sweep(":".join(map(repr, values))) == tuple(values)


@given(st.lists(st.integers(0, MAX_SEED), min_size=1, max_size=5))
def test_seeds(seeds: list[int]) -> None:
    assert parse_seeds(":".join(map(str, seeds))) == tuple(seeds)


@given(st.integers(1, MAX_SIZE), st.integers(1, MAX_SIZE))
def test_sizes(width: int, height: int) -> None:
    assert parse_size(f"{width}x{height}") == (width, height)
    assert parse_size(f"{width}") == (width, width)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_colours(rgb: tuple[int, int, int]) -> None:
    text = "#{:02X}{:02x}{:02X}".format(*rgb)
    assert rgb_of(parse_colour(text)) == tuple(value / 255 for value in rgb)


@given(st.text(max_size=30))
def test_anything_else_is_refused_in_a_sentence(text: str) -> None:
    for parse in PARSERS:
        try:
            parse(text)
        except UsageError as error:
            assert str(error).endswith(".")


@pytest.mark.parametrize("text", ["", ":", "1:", "nan", "inf", "1,2", "0x3", "1:2:east"])
def test_what_is_no_sweep(text: str) -> None:
    with pytest.raises(UsageError):
        parse_sweep(text)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "٣", "1e3", f"{2**63}", "1:"])
def test_what_is_no_seed(text: str) -> None:
    with pytest.raises(UsageError):
        parse_seeds(text)


@pytest.mark.parametrize("text", ["", "0", "16385", "8x", "x8", "8x0", "8*8", "1e3"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


def test_kinds() -> None:
    assert parse_show("rgb") == ("rgb",)
    assert parse_show("RGB, depth") == ("rgb", "depth")
    assert parse_show("side-by-side") == ("rgb", "depth", "normal")
    for text in ("", "rgb,", "soul", ",".join(["rgb"] * 9)):
        with pytest.raises(UsageError):
            parse_show(text)


def test_kinds_are_those_of_the_recipe() -> None:
    assert Kind.__args__ == KINDS  # type: ignore[attr-defined]


def test_depths() -> None:
    assert parse_depths("7.5:12.5") == (7.5, 12.5)
    for text in ("3", "3:2", "1:2:3", "-1:2", "nan:3"):
        with pytest.raises(UsageError):
            parse_depths(text)
    assert all(map(math.isfinite, parse_depths("0:1e300")))


def test_splits() -> None:
    assert parse_split("train=0.9,val=0.1") == (("train", 0.9), ("val", 0.1))
    assert parse_split(" a = 1 ") == (("a", 1.0),)


@pytest.mark.parametrize(
    "text",
    ["train", "train=0.9", "train=0.9,val=0.2", "a=0.5,A=0.5", "../a=1", "a=nan", "a=1,b=0", "=1"],
)
def test_splits_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"split|shares"):
        parse_split(text)
