"""The names that GRAF's training script saves under become a generator's networks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.families.contract import Tensors
from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.spec import Spec
from graf_cli.weights.pickles import NUMPY_SCALARS, Allowed
from graf_cli.weights.reading import check_network, grouped, state_dict

T = TypeVar("T")
COARSE, FINE = "generator", "generator_fine"
AVERAGED = {COARSE: "generator_test", FINE: "generator_fine_test"}  # the weights to render
# The layers of a network, by which a state dict is known that stands alone.
LAYERS = frozenset(
    {
        "pts_linears",
        "feature_linear",
        "alpha_linear",
        "views_linears",
        "rgb_linear",
        "output_linear",
    }
)
PARALLEL = "module."  # what DataParallel puts before every name
ALLOWED: Allowed = NUMPY_SCALARS  # the scores `fid_best` and `kid_best`

log = logging.getLogger("graf")


@dataclass(frozen=True)
class Weights:
    """The generator of one file: the averaged one, where training kept an average.

    Attributes
    ----------
    coarse : dict of Tensor
        State dict of the generator, float32 on the CPU.
    fine : dict of Tensor or None
        That of the second pass, when the file has one.
    """

    coarse: Tensors
    fine: Tensors | None = None

    @property
    def networks(self) -> dict[str, Tensors]:
        """By network, as `graf convert` keeps them."""
        return {COARSE: self.coarse} | ({FINE: self.fine} if self.fine is not None else {})


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether a file's content is a GRAF's, by its keys."""
    known = {*AVERAGED, *AVERAGED.values()}
    return _is_network(content) or any(str(key).partition(".")[0] in known for key in content)


def weights_of(path: Path, content: Mapping[str, Any]) -> Weights:
    """The averaged generator in what a file holds.

    A state dict alone is taken for what is wanted. A file that has the weights of training and
    no average of them is taken with a warning.

    Raises
    ------
    CheckpointError
        When the file holds no generator.
    """
    if _is_network(content):
        return Weights(_state_dict(path, COARSE, content))
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return _of_groups(path, grouped(path, content, (COARSE, FINE)))
    keys = {
        network: averaged if content.get(averaged) is not None else network
        for network, averaged in AVERAGED.items()
        if content.get(averaged) is not None or content.get(network) is not None
    }
    if COARSE not in keys:
        raise _no_generator(path)
    groups = {network: _state_dict(path, key, content[key]) for network, key in keys.items()}
    trained = [network for network, key in keys.items() if network == key]
    if trained:
        log.warning(
            "%s has no `%s`, the averaged weights, which pictures are best made of; taking "
            "`%s`, those of training's last step.",
            path,
            "`, `".join(AVERAGED[network] for network in trained),
            "`, `".join(trained),
        )
    return Weights(groups[COARSE], groups.get(FINE))


def check(path: Path, spec: Spec, weights: Weights) -> None:
    """Hold every tensor against the network that the specification describes.

    Raises
    ------
    CheckpointError
        Naming the first tensor that is missing, extra, misshapen, NaN or infinite.
    """
    check_network(path, COARSE, weights.coarse, _expected(spec, fine=False))
    if weights.fine is None:
        return
    if not spec.network.importance:
        raise CheckpointError(
            f"{path} holds a generator for a second pass, but its configuration has none; "
            "set N_importance there as it was in training."
        )
    check_network(path, FINE, weights.fine, _expected(spec, fine=True))


def adopt(path: Path, spec: Spec, stored: Mapping[str, Any]) -> dict[str, Tensors]:
    """See `Family.adopt`."""
    weights = weights_of(path, stored)
    check(path, spec, weights)
    return weights.networks


def _of_groups(path: Path, groups: Mapping[str, Any]) -> Weights:
    coarse, fine = (_state_dict(path, name, groups.get(name, {})) for name in (COARSE, FINE))
    return Weights(coarse, fine or None)


def _expected(spec: Spec, *, fine: bool) -> dict[str, torch.Size]:
    field = RadianceField(spec.network, spec.latent, fine=fine, device="meta", dtype=torch.float32)
    return {name: tensor.shape for name, tensor in field.state_dict().items()}


def _state_dict(path: Path, network: str, value: object) -> Tensors:
    return _alone(state_dict(path, network, value, "GRAF"))


def _is_network(content: Mapping[Any, object]) -> bool:
    """Whether these are one network's tensors, rather than networks by name."""
    return any(name.partition(".")[0] in LAYERS for name in _alone(content))


def _alone(state: Mapping[Any, T]) -> dict[str, T]:
    """A state dict under the names that it has without DataParallel."""
    names = [str(name) for name in state]
    while names and all(name.startswith(PARALLEL) for name in names):
        names = [name.removeprefix(PARALLEL) for name in names]
    return dict(zip(names, state.values(), strict=True))


def _no_generator(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} holds no generator, neither `{AVERAGED[COARSE]}` nor `{COARSE}` nor the layers of "
        "one; give a file that GRAF's training script saved."
    )
