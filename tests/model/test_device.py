"""The names of devices."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.errors import DeviceError, UsageError
from graf_cli.model.device import pick_device


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with neither GPU, until a test gives it one."""
    for where in ("torch.cuda.is_available", "torch.backends.mps.is_available"):
        monkeypatch.setattr(where, lambda: False)
    monkeypatch.setattr("torch.backends.cuda.is_built", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    return monkeypatch


def give(machine: pytest.MonkeyPatch, kind: str) -> None:
    where = "torch.cuda" if kind == "cuda" else f"torch.backends.{kind}"
    machine.setattr(f"{where}.is_available", lambda: True)


def test_auto_takes_the_best_there_is(machine: pytest.MonkeyPatch) -> None:
    assert pick_device() == torch.device("cpu")
    give(machine, "mps")
    assert pick_device("auto") == torch.device("mps")
    give(machine, "cuda")
    assert pick_device("auto") == torch.device("cuda")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1", "mps", "cpu"])
def test_a_device_that_is_there_is_taken(machine: pytest.MonkeyPatch, name: str) -> None:
    give(machine, "cuda")
    give(machine, "mps")
    assert pick_device(name) == torch.device(name)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "cuda",
            "The device `cuda` is not there: PyTorch finds no CUDA device; use `device` auto.",
        ),
        (
            "cuda:1",
            "The device `cuda:1` is not there: PyTorch finds no CUDA device; use `device` auto.",
        ),
        ("mps", "The device `mps` is not there: no Apple GPU; use `device` auto."),
    ],
)
@pytest.mark.usefixtures("machine")
def test_a_device_that_is_not_there_is_told(name: str, sentence: str) -> None:
    with pytest.raises(DeviceError) as caught:
        pick_device(name)
    assert str(caught.value) == sentence


def test_a_gpu_too_many_is_told(machine: pytest.MonkeyPatch) -> None:
    give(machine, "cuda")
    with pytest.raises(DeviceError, match=r"`cuda:2` is not there: .* up to `cuda:1`"):
        pick_device("cuda:2")


def test_a_build_without_cuda_is_told(machine: pytest.MonkeyPatch) -> None:
    machine.setattr("torch.backends.cuda.is_built", lambda: False)
    with pytest.raises(DeviceError, match="built without CUDA; install a CUDA build or"):
        pick_device("cuda")


@pytest.mark.parametrize(
    "name",
    ["", "gpu", "CUDA", "cpu:0", "mps:0", "cuda:", "cuda:-1", "cuda:x", "cuda:1:2", "meta", "xpu",
     "cuda:٣", "cuda:" + "9" * 5000],
)  # fmt: skip
def test_other_names_are_told_the_right_ones(name: str) -> None:
    with pytest.raises(UsageError, match=r"use auto, cpu, cuda, cuda:N or mps\.$"):
        pick_device(name)


@given(st.text(max_size=12) | st.text("0123456789:", max_size=6).map("cuda".__add__))
def test_any_name_is_a_device_or_refused(name: str) -> None:
    try:
        assert isinstance(pick_device(name), torch.device)
    except (UsageError, DeviceError) as error:
        assert str(error).endswith(".")
