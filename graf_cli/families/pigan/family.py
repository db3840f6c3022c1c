"""The family π-GAN, as the seam takes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from graf_cli.errors import CheckpointError, ManifestError, UsageError
from graf_cli.families.contract import Tensors
from graf_cli.families.pigan import checkpoint, files
from graf_cli.families.pigan.checkpoint import AVERAGES, FREQUENCIES, GENERATOR, PHASES
from graf_cli.families.pigan.config import Curriculum, guessed, read_curriculum
from graf_cli.families.pigan.network import Film, Network
from graf_cli.families.pigan.scene import scene
from graf_cli.families.pigan.spec import Spec as Own
from graf_cli.families.pigan.spec import features
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject, along_line
from graf_cli.scene.features import Features
from graf_cli.scene.spec import ModelSpec
from graf_cli.scene.volume import Scene
from graf_cli.weights.reading import Stored, is_safetensors, read


class PiGan:
    """See `Family`."""

    name = "pigan"
    Spec = Own

    def features(self, spec: Own) -> Features:
        """One code."""
        return features(spec)

    def read(self, path: Path) -> Stored:
        """An archive as it is released, a pair of files, or a safetensors file."""
        try:
            with path.open("rb") as stream:
                own = is_safetensors(stream)
        except OSError:
            own = False  # the reader says it better
        if own:
            return read(path)
        try:
            return Stored(files.read(path))
        except CheckpointError as error:
            error.recognised = files.looks_so(path)
            raise

    def recognises(self, content: Mapping[str, Any]) -> bool:
        """By what `files.read` makes of the authors' files."""
        return {"siren", "scale", "parameters", "averaged"} <= set(content)

    def described(self, path: Path, content: Mapping[str, Any], config: Path | None) -> ModelSpec:
        """By the curriculum in a file, or by a released one that the file is named after."""
        siren = content.get("siren")
        if config is not None:
            curriculum: Curriculum | None = read_curriculum(config)
        else:
            curriculum = guessed(path, content.get("folder", ""), siren)
        if curriculum is None:
            wanted = "" if siren else "of what class its network is and "
            raise ManifestError(
                f"{path} does not say {wanted}where its cameras stood; give a file as ⟨config⟩ "
                'that holds, for one of the released, the line `curriculum = "CelebA"`, `"CATS"` '
                'or `"CARLA"`, or the curriculum of its training.'
            )
        kind = siren or curriculum.model
        if kind is None:
            raise ManifestError(
                f"{config} does not say the class of the network, nor does {path}; "
                "set `model` there to TALLSIREN or SPATIALSIRENBASELINE."
            )
        return ModelSpec(
            name=path.stem,
            family=self.name,
            size=curriculum.img_size,
            background="white" if curriculum.white_back else "black",
            camera=curriculum.camera,
            settings=checkpoint.spec_of(path, content, curriculum.settings(kind)),
        )

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

    def row(self, _spec: Own, network: nn.Module, subject: Subject, space: str) -> Tensor:
        """Raw frequencies, then phases, shape = (18 · hidden,), of the space ``film`` alone."""
        if space != "film":
            raise UsageError(f"A π-GAN maps z to `film` alone, and not to `{space}`.")
        return cast(Network, network).siren.film(along_line(subject.codes["z"])).row


FAMILY = PiGan()
