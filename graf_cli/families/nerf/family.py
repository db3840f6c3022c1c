"""The family NeRF, as the seam takes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from graf_cli.errors import ManifestError
from graf_cli.families.contract import Tensors
from graf_cli.families.modules import filled
from graf_cli.families.nerf import checkpoint
from graf_cli.families.nerf import spec as specs
from graf_cli.families.nerf.checkpoint import COARSE, FINE
from graf_cli.families.nerf.config import read_config
from graf_cli.families.nerf.network import NerfField, Network, as_network
from graf_cli.families.nerf.scene import scene
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.features import Features
from graf_cli.scene.spec import ModelSpec
from graf_cli.scene.volume import Scene
from graf_cli.weights.reading import Stored, read


class Nerf:
    """See `Family`."""

    name = "nerf"
    Spec = specs.Spec

    def features(self, spec: specs.Spec) -> Features:
        """No codes."""
        return specs.features(spec)

    def read(self, path: Path) -> Stored:
        """An archive or a stream of `torch.save`, or a safetensors file."""
        return read(path)

    def recognises(self, content: Mapping[str, Any]) -> bool:
        """By `network_fn_state_dict`."""
        return checkpoint.recognises(content)

    def described(
        self,
        path: Path,
        content: Mapping[str, Any],  # noqa: ARG002 the seam has it
        config: Path | None,
    ) -> ModelSpec:
        """As its config.txt says."""
        if config is None:
            raise ManifestError(
                f"{path} does not say how its network is built; "
                "give the config.txt (or args.txt) of its training as ⟨config⟩."
            )
        return read_config(config, path.stem)

    def adopt(self, path: Path, spec: specs.Spec, stored: Mapping[str, Any]) -> dict[str, Tensors]:
        """The networks of both passes."""
        return checkpoint.adopt(path, spec, stored)

    def network(
        self, spec: specs.Spec, weights: Mapping[str, Tensors], *, device: torch.device
    ) -> nn.Module:
        """The fields of both passes, in evaluation mode."""
        fine = _filled(spec, weights[FINE], device, fine=True) if FINE in weights else None
        return Network(_filled(spec, weights[COARSE], device, fine=False), fine)

    def scene(
        self,
        spec: specs.Spec,
        network: nn.Module,
        subject: Subject,
        *,
        samples: int,
        camera: Camera | None,  # noqa: ARG002 the seam has it
    ) -> Scene:
        """The one scene there is; the camera does not matter."""
        return scene(spec, as_network(network), subject, samples)


def _filled(spec: specs.Spec, tensors: Tensors, device: torch.device, *, fine: bool) -> NerfField:
    field = NerfField(spec.network, fine=fine, device="meta", dtype=torch.float32)
    return filled(field, tensors, device)


FAMILY = Nerf()
