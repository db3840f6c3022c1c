"""A specification and its tensors become a Generator on a device."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from graf_cli.families.contract import Mapped, Tensors
from graf_cli.model.checkpoint import open_checkpoint, read_checkpoint
from graf_cli.model.families import family_of
from graf_cli.model.spec import features_of
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.features import Features
from graf_cli.scene.spec import ModelSpec
from graf_cli.scene.volume import Scene


@dataclass(frozen=True, eq=False)
class Generator:
    """A model made real.

    Attributes
    ----------
    spec : ModelSpec
    sha256 : str
        Digest of the file that the weights came from, lower-case hexadecimal.
    network : Module
        Of the model's family, on `device`.
    device : torch.device
    """

    spec: ModelSpec
    sha256: str
    network: nn.Module
    device: torch.device

    @property
    def features(self) -> Features:
        """What the model offers."""
        return features_of(self.spec)

    def conditioned_on_camera(self, subject: Subject) -> bool:
        """Whether each camera makes another scene of a subject."""
        features = self.features
        follows = features.following is None or subject.controls.get(features.following, 0) != 0
        return features.conditioned_on_camera and follows

    def scene(self, subject: Subject, *, samples: int, camera: Camera | None = None) -> Scene:
        """What rays pass through; see `graf_cli.families.contract.Family.scene`."""
        family = family_of(self.spec.family)
        settings = self.spec.settings
        return family.scene(settings, self.network, subject, samples=samples, camera=camera)

    @property
    def maps(self) -> bool:
        """Whether codes in z can be had as rows of the other spaces; see `row`."""
        return isinstance(family_of(self.spec.family), Mapped)

    def row(self, subject: Subject, space: str) -> Tensor:
        """The code of a subject in z as a row of another space; see `Mapped`.

        Only of models that have `maps`.
        """
        family = family_of(self.spec.family)
        assert isinstance(family, Mapped)
        found: Tensor = family.row(self.spec.settings, self.network, subject, space)
        return found


def build(
    spec: ModelSpec, weights: Mapping[str, Tensors], sha256: str, device: torch.device
) -> Generator:
    """Put checked weights, by network, into what the specification describes."""
    network = family_of(spec.family).network(spec.settings, weights, device=device)
    return Generator(spec=spec, sha256=sha256, network=network, device=device)


def load_checkpoint(
    path: Path,
    config: Path | None,
    device: torch.device,
    family: str | None = None,
    like: ModelSpec | None = None,
) -> Generator:
    """What a user trained, on a device; see `graf_cli.model.checkpoint.open_checkpoint`.

    Raises
    ------
    CheckpointError, ManifestError
    """
    spec, networks = open_checkpoint(path, config, family, like)
    return build(spec, networks, digest(path), device)


def load_spec(spec: ModelSpec, path: Path, device: torch.device) -> Generator:
    """A model of the manifest, from the file that it was fetched to.

    Raises
    ------
    CheckpointError
        When the file does not hold the network that the manifest describes.
    """
    return build(spec, read_checkpoint(path, spec), digest(path), device)


def digest(path: Path) -> str:
    """SHA-256 of a file, lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
