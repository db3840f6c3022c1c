"""What a π-GAN is: its class, its sizes and how it was trained, before any weight is read."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from msgspec import Meta, Struct

from graf_cli.scene.features import Block, Control, Features

Siren = Literal["TALLSIREN", "SPATIALSIRENBASELINE", "EmbeddingPiGAN128", "EmbeddingPiGAN256"]
Distribution = Literal[
    "uniform", "normal", "gaussian", "hybrid", "truncated_gaussian", "spherical_uniform", "none"
]

FIRST: dict[str, tuple[str, ...]] = {}  # settings that graf 0.1.0 had: it had no such family
SINES = 8  # layers that density is read from
FILMS = SINES + 1  # one more is for colour: slices of frequencies and of phases
EMBEDDED = 32  # features that each cell of a cube has
BOX = 2 / 0.24  # of all classes but TALLSIREN: a cube of side 0.24 becomes that of side 2

Count = Annotated[int, Meta(ge=1, le=4096)]
Width = Annotated[int, Meta(ge=2, le=4096)]
Seed = Annotated[int, Meta(ge=0, le=2**53)]


class Views(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the training cameras were, in the authors' own terms.

    In the mode ``spherical_uniform`` the two vertical numbers are not angles; see
    `graf_cli.families.pigan.cameras.angles`.
    """

    distribution: Distribution = "gaussian"
    horizontal: tuple[float, float] = (math.pi / 2, 0.3)  # mean and spread, radians
    vertical: tuple[float, float] = (math.pi / 2, 0.155)


class Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the family has to know beside what all models have."""

    siren: Siren = "SPATIALSIRENBASELINE"
    z: Count = 256
    hidden: Width = 256  # of the sine layers
    mapping: Width = 256  # of the mapping network
    cells: tuple[Count, Count, Count] | None = None  # of the feature cube, slowest axis first
    scale: Annotated[float, Meta(gt=0, le=1e6)] | None = None  # of points; None is the class's own
    samples: Count = 24  # along a ray, of each pass; the authors render with twice the training's
    two_passes: bool = True
    clamp: Literal["relu", "softplus"] = "relu"
    last_back: bool = False  # what a ray does not meet takes the colour of its farthest sample
    views: Views = Views()
    average_seed: Seed = 0  # of the codes that frequencies and phases are averaged over

    def __post_init__(self) -> None:
        if self.embedded != (self.cells is not None):
            raise ValueError(
                "`cells` belongs to the classes EmbeddingPiGAN128 and EmbeddingPiGAN256"
            )

    @property
    def embedded(self) -> bool:
        """Whether the network reads a cube of features at each point."""
        return self.siren.startswith("Embedding")

    @property
    def factor(self) -> float:
        """What points are multiplied by before the first layer."""
        if self.scale is not None:
            return self.scale
        return 1.0 if self.siren == "TALLSIREN" else BOX

    @property
    def film(self) -> int:
        """How many frequencies, and how many phases, drive one object."""
        return FILMS * self.hidden


def features(spec: Spec) -> Features:
    """One code; frequencies and phases may be given in its place."""
    controls = (
        Control(
            "last_back", 0, 1, float(spec.last_back), strict=True,
            about="1 gives what a ray misses the colour of its farthest sample",
        ),
        Control(
            "lock_view_dependence", 0, 1, 0, strict=True,
            about="1 shows the colours that a camera in front sees",
        ),
        Control(
            "jitter_frame", 0, 1e6, 0, strict=True,
            about="which frame of a video drawn by that seed of jitter",
        ),
    )  # fmt: skip
    return Features(
        blocks=(Block("z", spec.z, "gauss"),),
        spaces=("z", "film"),
        row_shapes={"film": (2 * spec.film,)},
        truncation="mean",
        truncation_default=0.7,
        controls=controls,
        backdrop="last_back",
        samples=spec.samples,
        further=spec.samples if spec.two_passes else 0,
        fast=True,
        jitter=True,
    )
