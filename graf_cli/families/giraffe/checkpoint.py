"""The release's state dict becomes ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.families.contract import Tensors
from graf_cli.families.giraffe.network import Network
from graf_cli.families.giraffe.spec import Spec
from graf_cli.weights.reading import grouped

AVERAGED, TRAINED = "generator_test.", "generator."  # the first is rendered where there is one
OTHERS = ("discriminator.",)
NETWORKS = {
    "decoder": "object",
    "background_generator": "background",
    "neural_renderer": "renderer",
}
HINT = "check that checkpoint and configuration belong together."

NAMES = (
    (r"fc_in", "points"),
    (r"fc_z", "shape"),
    (r"blocks\.(\d+)", r"trunk.\1"),
    (r"fc_p_skips\.(\d+)", r"skip_points.\1"),
    (r"fc_z_skips\.(\d+)", r"skip_shape.\1"),
    (r"sigma_out", "sigma"),
    (r"fc_z_view", "appearance"),
    (r"feat_view", "view"),
    (r"fc_view", "directions"),
    (r"feat_out", "out"),
    (r"conv_in", "enter"),
    (r"conv_layers\.(\d+)", r"layers.\1"),
    (r"conv_rgb\.(\d+)", r"rgb.\1"),
    (r"conv_rgb", "rgb.0"),  # where there is one alone
)  # of modules, in full
BLUR = re.compile(r"upsample_(2|rgb)\.1\.f")


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether a file's content is a GIRAFFE's, by the names of its fields."""
    model = content.get("model")
    return isinstance(model, Mapping) and any(
        str(key).startswith((f"{AVERAGED}decoder.", f"{TRAINED}decoder.")) for key in model
    )


def adopt(path: Path, spec: Spec, stored: Mapping[str, Any]) -> dict[str, Tensors]:
    """See `Family.adopt`."""
    if stored and all(isinstance(value, Tensor) for value in stored.values()):
        found = grouped(path, stored, (*NETWORKS.values(),))
        found = {
            part: {
                name: tensor.to(device="cpu", dtype=torch.float32) for name, tensor in own.items()
            }
            for part, own in found.items()
        }
        _check(path, spec, found)
        return found
    model = stored.get("model")
    if not isinstance(model, Mapping):
        raise CheckpointError(
            f"{path} holds no `model`; give a file that GIRAFFE's training script saved."
        )
    averaged = any(str(key).startswith(AVERAGED) for key in model)
    prefix = AVERAGED if averaged else TRAINED
    found = {}
    for key, tensor in model.items():
        if str(key).startswith((*OTHERS, TRAINED if averaged else AVERAGED)):
            continue
        if not str(key).startswith(prefix) or not isinstance(tensor, Tensor):
            raise CheckpointError(f"{path} has `{key}` too much in `model`; {HINT}")
        _put(path, str(key), str(key).removeprefix(prefix), tensor, found)
    _check(path, spec, found)
    return found


def _put(path: Path, key: str, rest: str, tensor: Tensor, found: dict[str, Tensors]) -> None:
    theirs, _, name = rest.partition(".")
    if theirs == "neural_renderer" and BLUR.fullmatch(name):
        if tensor.tolist() != [1, 2, 1]:
            raise CheckpointError(f"{path}: `{key}` is another blur than (1, 2, 1); {HINT}")
        return
    module, _, kind = name.rpartition(".")
    for pattern, ours in NAMES:
        match = re.fullmatch(pattern, module)
        if match and theirs in NETWORKS:
            network = found.setdefault(NETWORKS[theirs], {})
            network[f"{match.expand(ours)}.{kind}"] = tensor.to(device="cpu", dtype=torch.float32)
            return
    raise CheckpointError(f"{path} has a tensor `{key}` too many; {HINT}")


def expected(spec: Spec) -> dict[str, dict[str, torch.Size]]:
    """Shapes of all tensors, by network and name."""
    network = Network(spec, device="meta")
    return {
        part: {name: tensor.shape for name, tensor in module.state_dict().items()}
        for part, module in network.named_children()
    }


def _check(path: Path, spec: Spec, found: Mapping[str, Tensors]) -> None:
    for problem in _problems(expected(spec), found):
        raise CheckpointError(f"{path}{problem}")


def _problems(
    wanted: Mapping[str, Mapping[str, torch.Size]], found: Mapping[str, Tensors]
) -> Iterator[str]:
    for part, shapes in wanted.items():
        for name in shapes.keys() - found.get(part, {}).keys():
            yield f" has no tensor `{part}.{name}`; {HINT}"
    for part, tensors in found.items():
        for name, tensor in tensors.items():
            shape = wanted.get(part, {}).get(name)
            if shape is None:
                yield f" has a tensor `{part}.{name}` too many; {HINT}"
            elif tensor.shape != shape:
                yield (
                    f": tensor `{part}.{name}` has shape {tuple(tensor.shape)} instead of "
                    f"{tuple(shape)}; {HINT}"
                )
            elif not bool(tensor.isfinite().all()):
                yield (
                    f": tensor `{part}.{name}` holds NaN or infinite numbers; use a checkpoint "
                    "from before the training diverged."
                )
