"""What nerf-pytorch saves becomes the networks of both passes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.families.contract import Tensors
from graf_cli.families.nerf.network import NerfField
from graf_cli.families.nerf.spec import NetworkSpec, Spec
from graf_cli.weights.reading import check_network, grouped, state_dict

COARSE, FINE = "coarse", "fine"
THEIRS = {COARSE: "network_fn_state_dict", FINE: "network_fine_state_dict"}
UNUSED = "views_linears.0."  # saved by networks that take no view directions, all the same


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether a file's content is a NeRF's, by its keys."""
    return THEIRS[COARSE] in content


def adopt(path: Path, spec: Spec, stored: Mapping[str, Any]) -> dict[str, Tensors]:
    """See `Family.adopt`."""
    if stored and all(isinstance(value, Tensor) for value in stored.values()):
        found = grouped(path, stored, (COARSE, FINE))
    else:
        found = {ours: stored[key] for ours, key in THEIRS.items() if stored.get(key) is not None}
    if COARSE not in found:
        raise CheckpointError(
            f"{path} holds no `{THEIRS[COARSE]}`; give a file that nerf-pytorch's training saved."
        )
    if (FINE in found) != bool(spec.network.importance):
        has, says = ("a", "none") if FINE in found else ("no", "one")
        raise CheckpointError(
            f"{path} holds {has} network of a second pass, but its configuration has {says}; "
            "set N_importance there as it was in training."
        )
    return {ours: _checked(path, spec.network, ours, value) for ours, value in found.items()}


def _checked(path: Path, spec: NetworkSpec, network: str, value: object) -> Tensors:
    tensors = state_dict(path, network, value, "NeRF")
    field = NerfField(spec, fine=network == FINE, device="meta", dtype=torch.float32)
    expected = {name: tensor.shape for name, tensor in field.state_dict().items()}
    if spec.use_viewdirs:
        check_network(path, network, tensors, expected)
        return tensors
    width = spec.width_fine if network == FINE else spec.width
    unused = {
        f"{UNUSED}weight": torch.Size((width // 2, width)),
        f"{UNUSED}bias": torch.Size((width // 2,)),
    }
    there = {name: shape for name, shape in unused.items() if name in tensors}
    check_network(path, network, tensors, expected | there)
    return {name: tensor for name, tensor in tensors.items() if name not in unused}
