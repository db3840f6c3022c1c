"""EG3D as a family of generators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graf_cli.errors import CheckpointError, ManifestError
from graf_cli.families.eg3d import checkpoint
from graf_cli.families.eg3d.checkpoint import NETWORK, adopt
from graf_cli.families.eg3d.network import Generator
from graf_cli.families.eg3d.scene import make_scene, styles
from graf_cli.families.eg3d.spec import Spec as Eg3dSpec
from graf_cli.families.eg3d.spec import features
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.features import Features
from graf_cli.scene.spec import ModelSpec
from graf_cli.scene.volume import Scene
from graf_cli.weights.reading import Stored


class EG3D:
    """See `graf_cli.families.contract.Family`."""

    name = "eg3d"
    Spec = Eg3dSpec

    def features(self, spec: Eg3dSpec) -> Features:
        """What the model offers, without reading a weight."""
        return features(spec)

    def read(self, path: Path) -> Stored:
        """The authors' pickle, as data, or a safetensors file."""
        return checkpoint.read(path)

    def recognises(self, content: Mapping[str, Any]) -> bool:
        """By `G_ema`."""
        return checkpoint.recognises(content)

    def described(
        self,
        path: Path,
        content: Mapping[str, Any],
        config: Path | None,
    ) -> ModelSpec:
        """As the state of the file's objects says."""
        if config is not None:
            raise ManifestError(
                f"{path} says itself how it renders; leave out ⟨config⟩, it would not be read."
            )
        with checkpoint.told(path):
            return checkpoint.model_of(path.stem, checkpoint.describe(path, content))

    def adopt(
        self, path: Path, spec: Eg3dSpec, stored: Mapping[str, Any]
    ) -> dict[str, dict[str, Tensor]]:
        """The authors' names become ours; see `checkpoint.adopt`."""
        with checkpoint.told(path):
            return adopt(path, spec, stored)

    def network(
        self, spec: Eg3dSpec, weights: Mapping[str, dict[str, Tensor]], *, device: torch.device
    ) -> nn.Module:
        """A module in evaluation mode, without gradients, on a device."""
        network = Generator(spec, device=torch.device("meta"), dtype=torch.float32)
        if NETWORK not in weights:
            raise CheckpointError(f"The model has no network `{NETWORK}`; convert it again.")
        network.load_state_dict(weights[NETWORK], assign=True)
        return network.to(device=device).eval().requires_grad_(False)

    def scene(
        self, spec: Eg3dSpec, network: nn.Module, subject: Subject, *, samples: int,
        camera: Camera | None,
    ) -> Scene:  # fmt: skip
        """What rays pass through, made once a subject."""
        assert isinstance(network, Generator)
        return make_scene(
            spec, network, subject, samples=samples, camera=camera, seed=subject.jitter
        )

    def row(self, spec: Eg3dSpec, network: nn.Module, subject: Subject, space: str) -> Tensor:
        """The row of w, shape = (w_dim,), or w+, as many of it, of the label that stays."""
        assert isinstance(network, Generator)
        rows = styles(spec, network, replace(subject, truncation=1.0))
        return rows[0] if space == "w" else rows


FAMILY = EG3D()
