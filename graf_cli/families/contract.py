"""What a family of generators does, so that another one is a folder and a row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from msgspec import Struct
from torch import Tensor, nn

from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.features import Features
from graf_cli.scene.placed import OrientedBox
from graf_cli.scene.spec import ModelSpec
from graf_cli.scene.volume import Scene
from graf_cli.weights.reading import Stored

Tensors = dict[str, Tensor]
S = TypeVar("S", bound=Struct)
S_contra = TypeVar("S_contra", bound=Struct, contravariant=True)


class Family(Protocol[S]):
    """One kind of generator; data first, torch only from `adopt` on.

    Attributes
    ----------
    name : str
        In manifests, files and recipes.
    Spec : type of Struct
        What the family has to know of a model beside what all models have: sizes of its
        networks, samples along a ray.
    """

    name: str
    Spec: type[S]

    def features(self, spec: S) -> Features:
        """What the model offers, without reading a weight."""

    def read(self, path: Path) -> Stored:
        """A file of the authors' or of `graf convert`, without trust.

        Raises
        ------
        CheckpointError
            When it cannot be read, or names what this family's files do not; `recognised` where
            it looks like one of this family all the same.
        """

    def recognises(self, content: Mapping[str, Any]) -> bool:
        """Whether what a file holds is of this family, by its keys."""

    def described(self, path: Path, content: Mapping[str, Any], config: Path | None) -> ModelSpec:
        """The model of a file that does not describe itself.

        Parameters
        ----------
        path : Path
            Of the file, after which the model is called.
        content : mapping
            What the file holds.
        config : Path or None
            What its training was configured by.

        Raises
        ------
        ManifestError
            When the configuration is missing or cannot be meant.
        """

    def adopt(self, path: Path, spec: S, stored: Mapping[str, Any]) -> dict[str, Tensors]:
        """The authors' names become ours, every tensor checked against the specification.

        Parameters
        ----------
        path : Path
            Of the file, for messages.
        spec : Struct
        stored : mapping
            What the file holds: nested dictionaries of tensors and plain data, or the flat names
            ``NETWORK.NAME`` that `graf convert` wrote.

        Returns
        -------
        dict of state dicts
            By network, float32 on the CPU; what `graf convert` keeps.

        Raises
        ------
        CheckpointError
            Naming the first tensor that is missing, extra, misshapen, NaN or infinite.
        """

    def network(
        self, spec: S, weights: Mapping[str, Tensors], *, device: torch.device
    ) -> nn.Module:
        """A module in evaluation mode, without gradients, on a device."""

    def scene(
        self, spec: S, network: nn.Module, subject: Subject, *, samples: int, camera: Camera | None
    ) -> Scene:
        """What rays pass through, made once a subject.

        Parameters
        ----------
        spec : Struct
        network : Module
            Of this family.
        subject : Subject
        samples : int
            Along each ray, of the first pass.
        camera : Camera or None
            Of the picture, for a model that is conditioned on it; None is its default view.
        """


@runtime_checkable
class Placing(Protocol[S_contra]):
    """What a family does as well whose scenes have several objects, each in a box of its own."""

    def placed(self, spec: S_contra, subject: Subject) -> tuple[OrientedBox, ...]:
        """The objects of a scene, by number.

        Raises
        ------
        UsageError
            When the subject's controls cannot be meant.
        """


@runtime_checkable
class Mapped(Protocol[S_contra]):
    """What a family does as well whose codes a network maps to another of `Features.spaces`."""

    def row(self, spec: S_contra, network: nn.Module, subject: Subject, space: str, /) -> Tensor:
        """The code of a subject in z as a row of a space, not truncated.

        Returns
        -------
        Tensor, shape as `Features.row_shapes`
        """
