"""The family GIRAFFE, as the seam takes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from graf_cli.families.contract import Tensors
from graf_cli.families.giraffe.checkpoint import adopt
from graf_cli.families.giraffe.network import Network
from graf_cli.families.giraffe.scene import masks, scene
from graf_cli.families.giraffe.spec import Spec as GiraffeSpec
from graf_cli.families.giraffe.spec import features
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.features import Features
from graf_cli.scene.volume import Scene


class Giraffe:
    """See `Family`."""

    name = "giraffe"
    Spec = GiraffeSpec

    def features(self, spec: GiraffeSpec) -> Features:
        """Two codes for every object and two for the background."""
        return features(spec)

    def adopt(self, path: Path, spec: GiraffeSpec, stored: Mapping[str, Any]) -> dict[str, Tensors]:
        """The running average of a training, or its weights where there is none."""
        return adopt(path, spec, stored)

    def network(
        self, spec: GiraffeSpec, weights: Mapping[str, Tensors], *, device: torch.device
    ) -> nn.Module:
        """Both fields and the 2-D network."""
        network = Network(spec, device="meta")
        for part, tensors in weights.items():
            placed = {name: tensor.to(device=device) for name, tensor in tensors.items()}
            network.get_submodule(part).load_state_dict(placed, assign=True)
        return network.requires_grad_(False).eval()

    def scene(
        self,
        spec: GiraffeSpec,
        network: nn.Module,
        subject: Subject,
        *,
        samples: int,
        camera: Camera | None,  # noqa: ARG002 - the protocol's
    ) -> Scene:
        """Objects and background; the camera does not matter."""
        return scene(spec, cast(Network, network), subject, samples)

    def masks(
        self, spec: GiraffeSpec, network: nn.Module, subject: Subject, *, samples: int
    ) -> Scene:
        """The same, seen as one mask an object."""
        return masks(spec, cast(Network, network), subject, samples)


FAMILY = Giraffe()
