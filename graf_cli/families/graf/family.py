"""The family GRAF, as the seam takes it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from graf_cli.families.contract import Tensors
from graf_cli.families.graf import spec as specs
from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.scene import Network, as_network, scene
from graf_cli.families.graf.spec import features
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.features import Features
from graf_cli.scene.volume import Scene

COARSE, FINE = "generator", "generator_fine"


class Graf:
    """See `Family`."""

    name = "graf"
    Spec = specs.Spec

    def features(self, spec: specs.Spec) -> Features:
        """A shape code and an appearance code."""
        return features(spec)

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
    placed = {name: tensor.to(device=device) for name, tensor in tensors.items()}
    field.load_state_dict(placed, assign=True)
    return field.requires_grad_(False).eval()


FAMILY = Graf()
