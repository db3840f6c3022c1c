"""The release's state dicts, and what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from graf_cli.errors import CheckpointError
from graf_cli.families.giraffe.checkpoint import adopt
from graf_cli.families.giraffe.config import read_config
from tools.parity.giraffe import _stored

CASES = Path(__file__).parent / "cases"
PATH = CASES / "cars.pt"
OUT = "generator_test.decoder.feat_out.bias"


def test_the_average_is_taken_where_there_is_one() -> None:
    spec = read_config(CASES / "cars.json").spec
    stored = _stored(PATH)
    ours = adopt(PATH, spec, stored)["object"]["out.bias"]
    assert torch.equal(ours, stored["model"][OUT])
    assert not torch.equal(ours, stored["model"][OUT.replace("_test", "")])


def _drop(model: dict[str, Any]) -> None:
    del model[OUT]


def _add(model: dict[str, Any]) -> None:
    model["generator_test.decoder.more.bias"] = model[OUT]


def _reshape(model: dict[str, Any]) -> None:
    model[OUT] = model[OUT][:-1]


def _diverge(model: dict[str, Any]) -> None:
    model[OUT] = model[OUT] * torch.nan


def _blur(model: dict[str, Any]) -> None:
    model["generator_test.neural_renderer.upsample_rgb.1.f"] *= 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop, "no tensor `object.out.bias`"),
        (_add, "too many"),
        (_reshape, "has shape"),
        (_diverge, "NaN"),
        (_blur, "another blur"),
    ],
)
def test_a_wrong_tensor_is_named(change: Callable[[dict[str, Any]], None], message: str) -> None:
    spec = read_config(CASES / "cars.json").spec
    model = dict(_stored(PATH)["model"])
    change(model)
    with pytest.raises(CheckpointError, match=message):
        adopt(PATH, spec, {"model": model})


def test_a_file_without_a_model_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no `model`"):
        adopt(PATH, read_config(CASES / "cars.json").spec, {})
