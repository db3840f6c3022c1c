"""The family GIRAFFE, as the seam takes it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from graf_cli.errors import ManifestError
from graf_cli.families.contract import Tensors
from graf_cli.families.giraffe import checkpoint
from graf_cli.families.giraffe.config import model_spec, read_config
from graf_cli.families.giraffe.layout import layout
from graf_cli.families.giraffe.network import Network
from graf_cli.families.giraffe.scene import scene
from graf_cli.families.giraffe.spec import Spec as GiraffeSpec
from graf_cli.families.giraffe.spec import features
from graf_cli.families.modules import filled
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.features import Features
from graf_cli.scene.placed import OrientedBox
from graf_cli.scene.spec import ModelSpec
from graf_cli.scene.volume import Scene
from graf_cli.weights.pickles import NUMPY_SCALARS
from graf_cli.weights.reading import Stored, read

log = logging.getLogger("graf")


class Giraffe:
    """See `Family`."""

    name = "giraffe"
    Spec = GiraffeSpec

    def features(self, spec: GiraffeSpec) -> Features:
        """Two codes for every object and two for the background."""
        return features(spec)

    def read(self, path: Path) -> Stored:
        """An archive or a stream of `torch.save`, or a safetensors file."""
        return read(path, NUMPY_SCALARS)

    def recognises(self, content: Mapping[str, Any]) -> bool:
        """By the decoder's and the background's names inside `model`."""
        return checkpoint.recognises(content)

    def described(
        self,
        path: Path,
        content: Mapping[str, Any],  # noqa: ARG002 the seam has it
        config: Path | None,
    ) -> ModelSpec:
        """As the yaml file of its training says; what means nothing there is told."""
        if config is None:
            raise ManifestError(
                f"{path} does not say how its networks are built; "
                "give the yaml file of its training as ⟨config⟩."
            )
        found = read_config(config)
        if found.unknown:
            keys = ", ".join(f"`{key}`" for key in found.unknown)
            log.warning("%s: GIRAFFE has no %s; left out, as by its release.", config, keys)
        try:
            return model_spec(found, path.stem)
        except ValueError as error:
            raise ManifestError(f"{config}: {error}; correct it there.") from error

    def adopt(self, path: Path, spec: GiraffeSpec, stored: Mapping[str, Any]) -> dict[str, Tensors]:
        """The running average of a training, or its weights where there is none."""
        return checkpoint.adopt(path, spec, stored)

    def network(
        self, spec: GiraffeSpec, weights: Mapping[str, Tensors], *, device: torch.device
    ) -> nn.Module:
        """Both fields and the 2-D network."""
        network = Network(spec, device="meta")
        for part, tensors in weights.items():
            filled(network.get_submodule(part), tensors, device)
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

    def placed(self, spec: GiraffeSpec, subject: Subject) -> tuple[OrientedBox, ...]:
        """The objects in their boxes, by number."""
        objects = enumerate(layout(spec, subject).objects)
        return tuple(placement.placed(number) for number, placement in objects)


FAMILY = Giraffe()
