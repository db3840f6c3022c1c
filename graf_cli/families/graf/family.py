"""The family GRAF, as the seam takes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from graf_cli.errors import ManifestError
from graf_cli.families.contract import Tensors
from graf_cli.families.graf import checkpoint
from graf_cli.families.graf import spec as specs
from graf_cli.families.graf.checkpoint import COARSE, FINE
from graf_cli.families.graf.config import read_config
from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.scene import Network, as_network, scene
from graf_cli.families.graf.spec import features
from graf_cli.families.modules import filled
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.features import Features
from graf_cli.scene.spec import ModelSpec
from graf_cli.scene.volume import Scene
from graf_cli.weights.reading import Stored, read


class Graf:
    """See `Family`."""

    name = "graf"
    Spec = specs.Spec

    def features(self, spec: specs.Spec) -> Features:
        """A shape code and an appearance code."""
        return features(spec)

    def read(self, path: Path) -> Stored:
        """An archive or a stream of `torch.save`, or a safetensors file."""
        return read(path, checkpoint.ALLOWED)

    def recognises(self, content: Mapping[str, Any]) -> bool:
        """By `generator_test` and its kin, or the layers of a network."""
        return checkpoint.recognises(content)

    def described(
        self,
        path: Path,
        content: Mapping[str, Any],  # noqa: ARG002 the seam has it
        config: Path | None,
    ) -> ModelSpec:
        """As its config.yaml says."""
        if config is None:
            raise ManifestError(
                f"{path} does not say how its network is built; "
                "give the config.yaml of its training as ⟨config⟩."
            )
        return read_config(config, path.stem)

    def adopt(self, path: Path, spec: specs.Spec, stored: Mapping[str, Any]) -> dict[str, Tensors]:
        """The averaged weights, where there are some."""
        return checkpoint.adopt(path, spec, stored)

    def network(
        self, spec: specs.Spec, weights: Mapping[str, Tensors], *, device: torch.device
    ) -> nn.Module:
        """The fields of both passes, in evaluation mode."""
        coarse = _filled(spec, weights[COARSE], device, fine=False)
        fine = _filled(spec, weights[FINE], device, fine=True) if FINE in weights else None
        return Network(coarse, fine)

    def scene(
        self,
        spec: specs.Spec,
        network: nn.Module,
        subject: Subject,
        *,
        samples: int,
        camera: Camera | None,  # noqa: ARG002 the seam has it
    ) -> Scene:
        """One object; the camera does not matter."""
        return scene(spec, as_network(network), subject, samples)


def _filled(
    spec: specs.Spec, tensors: Tensors, device: torch.device, *, fine: bool
) -> RadianceField:
    field = RadianceField(spec.network, spec.latent, fine=fine, device="meta", dtype=torch.float32)
    return filled(field, tensors, device)


FAMILY = Graf()
