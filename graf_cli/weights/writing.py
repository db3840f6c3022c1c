"""Named tensors become a safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from graf_cli.errors import CheckpointError


def write(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], dtype: torch.dtype
) -> None:
    """Write tensors as numbers of one type.

    The bytes depend on the arguments alone. The file is written in place: give the name of a
    temporary file and rename it.

    Raises
    ------
    CheckpointError
        When a number is too large for `dtype`.
    """
    stored = {
        # A copy, since safetensors refuses tensors that share their memory.
        name: tensor.to(dtype=dtype, copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    for name, tensor in stored.items():
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"Tensor `{name}` holds numbers that {dtype} cannot; store it as float32."
            )
    path.write_bytes(safetensors.torch.save(stored, dict(metadata)))
