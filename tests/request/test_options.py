"""Requests: what was said, in whatever form, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from msgspec import UNSET

from graf_cli.errors import UsageError
from graf_cli.request import DatasetOptions, PictureOptions, SweepOptions


def refused(kind: Any, **said: Any) -> str:
    with pytest.raises(UsageError) as caught:
        kind.of(said)
    return str(caught.value)


@pytest.mark.parametrize(
    "azimuth",
    [(0, 90), [0.0, 90.0], range(0, 91, 90), "0:90", np.array([0, 90]),
     torch.tensor([0, 90], device="cpu", dtype=torch.int64), (np.float32(0), np.int64(90))],
)  # fmt: skip
def test_whatever_form_it_is_said_in(azimuth: Any) -> None:
    assert SweepOptions.of({"azimuth": azimuth}) == SweepOptions(azimuth=(0.0, 90.0))


def test_text_is_read_as_on_the_command_line() -> None:
    said = {"size": "8x6", "show": "rgb,depth", "depth_range": "7:12", "seed": "3:4"}
    assert SweepOptions.of(said) == SweepOptions(
        size=(8, 6), show=("rgb", "depth"), depth_range=(7.0, 12.0), seed=(3, 4)
    )
    split = DatasetOptions.of({"split": "train=0.9,val=0.1"}).split
    assert split == (("train", 0.9), ("val", 0.1))


def test_nothing_said_is_unset_and_zero_is_said() -> None:
    asked = SweepOptions.of({"frames": 0, "fps": None})
    assert (asked.frames, asked.fps, asked.ease) == (0, UNSET, UNSET)
    assert asked.said() == {"frames": 0}
    assert (asked.get("frames"), asked.get("fps")) == (0, None)


def test_rows_of_codes_and_poses() -> None:
    rows = np.arange(24, dtype=np.float64).reshape(2, 12)
    asked = SweepOptions.of({"poses": rows, "latents": [[1, 2.5], (3, 4)]})
    assert asked.poses == tuple(map(tuple, rows.tolist()))
    assert asked.latents == ((1.0, 2.5), (3.0, 4.0))


def test_unknown_names_are_refused_with_the_nearest() -> None:
    assert refused(SweepOptions, azimut=3) == (
        "There is no argument `azimut`; do you mean `azimuth`?"
    )
    assert refused(PictureOptions, azimuth=None).startswith(
        "There is no argument `azimuth`; there is size, samples, "
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("azimuth", {}), ("frames", 2.5), ("ease", "fast"), ("show", ("rgb", "colour")),
     ("size", (1, 2, 3)), ("seed", True), ("samples", "8"), ("latents", [1, 2])],
)  # fmt: skip
def test_values_that_cannot_be_meant_name_their_field(name: str, value: Any) -> None:
    assert refused(SweepOptions, **{name: value}).startswith(f"`{name}` cannot be ")


def test_text_that_cannot_be_read_is_told() -> None:
    assert "not a sweep" in refused(SweepOptions, azimuth="left")
    assert "nothing called `colour`" in refused(SweepOptions, show="colour")
