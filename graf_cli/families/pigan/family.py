"""The family π-GAN, as the seam takes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from graf_cli.families.contract import Tensors
from graf_cli.families.pigan import checkpoint
from graf_cli.families.pigan.checkpoint import AVERAGES, FREQUENCIES, GENERATOR, PHASES
from graf_cli.families.pigan.network import Film, Network
from graf_cli.families.pigan.scene import scene
from graf_cli.families.pigan.spec import Spec as Own
from graf_cli.families.pigan.spec import features
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.features import Features
from graf_cli.scene.volume import Scene


class PiGan:
    """See `Family`."""

    name = "pigan"
    Spec = Own

    def features(self, spec: Own) -> Features:
        """One code."""
        return features(spec)

    def adopt(self, path: Path, spec: Own, stored: Mapping[str, Any]) -> dict[str, Tensors]:
        """The averaged weights, and the averages of frequencies and phases; see `checkpoint`."""
        return checkpoint.adopt(path, spec, stored)

    def network(
        self, spec: Own, weights: Mapping[str, Tensors], *, device: torch.device
    ) -> nn.Module:
        """Sine network and averages."""
        row = weights[AVERAGES]
        average = Film(row[FREQUENCIES].to(device=device), row[PHASES].to(device=device))
        siren = checkpoint.filled(spec, weights[GENERATOR], device)
        return Network(siren, average).eval()

    def scene(
        self,
        spec: Own,
        network: nn.Module,
        subject: Subject,
        *,
        samples: int,
        camera: Camera | None,
    ) -> Scene:
        """One object; see `graf_cli.families.pigan.scene`."""
        return scene(spec, cast(Network, network), subject, samples=samples, camera=camera)


FAMILY = PiGan()
