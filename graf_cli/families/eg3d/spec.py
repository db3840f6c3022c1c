"""What has to be known of one model of EG3D beside its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from graf_cli.scene.features import MARCHED, Block, Control, Features

PLANES = 3
PLANE_CHANNELS = 32  # of one plane, and of the features that are marched
HIDDEN = 64  # units of the decoder
LABEL = 25  # numbers of a camera: a 4 × 4 pose and 3 × 3 intrinsics, row by row
FACES_FOCAL = 4.2647  # in widths of the picture; of the released faces and cats
CARS_FOCAL = 1.7074

Stage = Literal[
    "SuperresolutionHybrid8XDC",
    "SuperresolutionHybrid8X",
    "SuperresolutionHybrid4X",
    "SuperresolutionHybrid2X",
]
ENLARGING = ("SuperresolutionHybrid8XDC", "SuperresolutionHybrid8X")  # in both of their blocks
MAX_LENGTH = 1 << 14  # of codes and channels; the released ones reach 1024
MAX_BLOCKS = 8  # planes of 512 texels; the released ones have 256
MAX_SAMPLES = 1 << 12  # of one pass along a ray
MAX_PIXELS = 1 << 11  # along a side of what is marched, or taken by the stage
MAX_DISTANCE = 1e4  # world units, of whatever has a place; the box is about 1

FIRST: Mapping[str, tuple[str, ...]] = {}  # graf 0.1.0 knew no such models
OWN = -1  # instead of the seed of some styles: those of the code
LAST_SEED = (1 << 32) - 1  # that NumPy draws the authors' codes from
FOLLOW = "follow"

Axes = tuple[tuple[tuple[float, ...], ...], ...]


class Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model.

    Attributes
    ----------
    z_dim, w_dim : int
        Lengths of codes before and behind the mapping network.
    mapping_layers : int
    c_scale : float
        Of the conditioning camera's label; 0 leaves the label without effect.
    conditioned : bool
        Whether the mapping network sees a camera; else it sees zeros.
    channels : tuple of int
        Of the backbone's blocks, from 4 × 4 up, each of twice the size of the one before.
    clamp : float or None
        Of the backbone's layers.
    axes : tuple, shape = (3, 3, 3)
        Of the planes. In the released models no plane sees the authors' y and z together; they
        were trained so and need it.
    decoder_rate : float
        The decoder's learning rate multiplier, which is part of its arithmetic.
    samples, further : int
        Along a ray, of the first and the second pass.
    near, far : float or None
        Distances from the camera; None are those at which a ray enters and leaves the box.
    disparity : bool
        Whether samples are spaced evenly in 1 / distance.
    box : float
        Side of the cube around the origin that the planes span.
    white : bool
        Whether missing features are 1 rather than 0.
    raster : int
        Pixels along a side of the picture that is marched.
    stage : str
        Which network enlarges it.
    stage_input : int
        Pixels along a side that the stage takes; another raster is resized to it.
    stage_channels : tuple of two int
        Of the stage's blocks.
    stage_clamp : float or None
    stage_noise : str
        ``none`` or ``const``.
    antialias : bool
        Whether a raster is low-passed where it is reduced.
    radius : float
        Of the training cameras, world units.
    pivot : tuple of three float
        What they look at, in the authors' axes (y up).
    focal : float
        Of the training cameras, in widths of the picture. No checkpoint says it.
    """

    z_dim: int
    w_dim: int
    mapping_layers: int
    c_scale: float
    conditioned: bool
    channels: tuple[int, ...]
    clamp: float | None = None
    axes: Axes
    decoder_rate: float
    samples: int
    further: int
    near: float | None = None
    far: float | None = None
    disparity: bool
    box: float
    white: bool
    raster: int
    stage: Stage
    stage_input: int
    stage_channels: tuple[int, int]
    stage_clamp: float | None = None
    stage_noise: Literal["none", "const"]
    antialias: bool
    radius: float
    pivot: tuple[float, float, float]
    focal: float = FACES_FOCAL

    def __post_init__(self) -> None:
        for name, low, high in (
            ("z_dim", 1, MAX_LENGTH),
            ("w_dim", 1, MAX_LENGTH),
            ("mapping_layers", 1, 64),
            ("samples", 4, MAX_SAMPLES),
            ("further", 0, MAX_SAMPLES),
            ("raster", 1, MAX_PIXELS),
            ("stage_input", 4, MAX_PIXELS),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is not between {low} and {high}")
        every = (*self.channels, *self.stage_channels)
        if not 1 <= len(self.channels) <= MAX_BLOCKS or not all(
            1 <= count <= MAX_LENGTH for count in every
        ):
            raise ValueError("the numbers of channels are none of a network")
        self._check_space()

    def _check_space(self) -> None:
        if (self.near is None) != (self.far is None):
            raise ValueError("rays have one end only")
        ends = () if self.near is None or self.far is None else (self.near, self.far)
        lengths = (self.box, self.radius, self.focal, *ends)
        if not all(0 < length < MAX_DISTANCE for length in lengths) or [*ends] != sorted(ends):
            raise ValueError("box, radius, focal length, near and far are none of a camera")
        numbers = (self.c_scale, self.decoder_rate, *self.pivot)
        if not all(abs(number) < MAX_DISTANCE for number in numbers):
            raise ValueError("a number is too large, or none")
        if len(self.axes) != PLANES or not all(_turns(plane) for plane in self.axes):
            raise ValueError("the axes of the planes are none")
        for bound in (self.clamp, self.stage_clamp):
            if bound is not None and not 0 < bound < math.inf:
                raise ValueError("layers are clamped to nothing")
        if self.stage == "SuperresolutionHybrid4X" and self.raster > self.stage_input:
            raise ValueError("its stage takes no larger picture than it was made for")

    @property
    def planes(self) -> int:
        """Texels along a side of a plane."""
        return int(2 << len(self.channels))

    @property
    def rows(self) -> int:
        """Codes that the synthesis networks take, one for each layer but for those shared."""
        return 2 * len(self.channels)

    @property
    def enlarges_first(self) -> bool:
        """Whether the stage's first block doubles the size."""
        return self.stage in ENLARGING

    @property
    def size(self) -> int:
        """Pixels along a side of the finished picture."""
        return self.stage_input * (4 if self.enlarges_first else 2)


def _turns(axes: tuple[tuple[float, ...], ...]) -> bool:
    """Whether a plane's axes, shape = (3, 3), span space."""
    if [len(row) for row in axes] != [3, 3, 3]:
        return False
    a, b, c = axes
    volume = (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    return 1e-6 < abs(volume) < MAX_DISTANCE


def features(spec: Spec) -> Features:
    """What a model offers, without its numbers."""
    rows = spec.rows
    controls = [
        Control("cutoff", 0, rows, rows, about="rows that truncation reaches", strict=True),
        Control("split", 0, rows, rows // 2, about="first row of the high styles", strict=True),
        *(
            Control(
                name,
                OWN,
                LAST_SEED,
                OWN,
                about=f"seed of the {name} styles",
                strict=True,
                seed=True,
            )
            for name in ("low", "high")
        ),
        Control("noise", 0, 2, 1, about="0 none, 1 the model's, 2 drawn anew", strict=True),
    ]
    if spec.conditioned:
        controls += [
            Control(FOLLOW, 0, 1, 0, about="1 conditions on the view itself", strict=True),
            Control("conditioning-azimuth", -23, 23, 0, "degrees", "of the conditioning camera"),
            Control("conditioning-elevation", -7.3, 11, 0, "degrees", "of the conditioning camera"),
        ]
    return Features(
        blocks=(Block("z", spec.z_dim, "legacy"),),
        spaces=("z", "w", "w+"),
        row_shapes={"w": (spec.w_dim,), "w+": (rows, spec.w_dim)},
        truncation="mean",
        controls=tuple(controls),
        conditioned_on_camera=spec.conditioned,
        following=FOLLOW if spec.conditioned else None,
        shows=MARCHED - {"rgba"} | {"raw"},
        background="generated",
        sizes=(spec.size,),
        surface=spec.raster if spec.raster < spec.size else None,
        samples=spec.samples,
        further=spec.further,
        fast=True,
        jitter=True,
    )
