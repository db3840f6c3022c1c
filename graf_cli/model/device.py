"""The name of a device becomes a device."""

from __future__ import annotations

import torch

from graf_cli.errors import DeviceError, UsageError


def pick_device(name: str = "auto") -> torch.device:
    """The device that ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` means; auto: the best.

    Raises
    ------
    UsageError
        When the name is none of these.
    DeviceError
        When the device is not there.
    """
    if name == "auto":
        return torch.device(_best())
    kind, colon, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (
        colon and not (kind == "cuda" and index.isascii() and index.isdigit() and len(index) < 5)
    ):
        raise UsageError(f"There is no device called `{name}`; use auto, cpu, cuda, cuda:N or mps.")
    if kind == "cuda":
        _require_cuda(name, int(index or 0))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("The device `mps` is not there: no Apple GPU; use ⟨device⟩ auto.")
    return torch.device(name)


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _require_cuda(name: str, index: int) -> None:
    if not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        raise DeviceError(
            f"The device `{name}` is not there: this PyTorch is built without CUDA; "
            "install a CUDA build or use ⟨device⟩ auto."
        )
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        there = f"they go up to `cuda:{count - 1}`" if count else "PyTorch finds no CUDA device"
        raise DeviceError(f"The device `{name}` is not there: {there}; use ⟨device⟩ auto.")
