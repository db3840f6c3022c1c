"""What the family has to know of one model, and what it offers; no tensors are needed for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from graf_cli.scene.features import (
    EACH,
    MARCHED,
    TURN,
    Block,
    Control,
    Features,
    Kind,
    Repeated,
)

Width = Annotated[int, Meta(ge=1, le=4096)]
Count = Annotated[int, Meta(ge=1, le=4096)]
Octaves = Annotated[int, Meta(ge=0, le=32)]
Number = Annotated[float, Meta(ge=-1e6, le=1e6)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]
Triple = tuple[Number, Number, Number]
Upsampling = Literal["nearest", "bilinear"]

PADDED = 1.1  # half a side of the box in which an object's density counts, in box coordinates
TEMPERATURE = 0.65  # what the release multiplies its codes with wherever it renders
MAX_OBJECTS = 64  # in one scene; the release's largest has 12


class FieldSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sizes of one generative neural feature field (GIRAFFE, section 3.1 and supplement)."""

    width: Width = 128
    layers: Annotated[int, Meta(ge=1, le=64)] = 8  # of the trunk, the first one included
    skips: tuple[Annotated[int, Meta(ge=0, le=64)], ...] = (
        4,
    )  # layers behind which input is added
    octaves: Octaves = 10  # of a point
    octaves_views: Octaves = 4  # of a direction
    divisor: Positive = 2.0  # of points and of directions, before they are encoded
    features: Width = 128
    views: bool = True  # whether features depend on the viewing direction
    sigmoid: bool = False  # of the features
    gauss: Annotated[float, Meta(ge=0, le=1e6)] | None = None  # deviation of random frequencies
    gauss_points: Count = 10  # a third of how many there are for a point
    gauss_views: Count = 4

    @property
    def inputs(self) -> int:
        """Numbers that a point is encoded by."""
        return 6 * (self.octaves if self.gauss is None else self.gauss_points)

    @property
    def inputs_views(self) -> int:
        """Numbers that a direction is encoded by."""
        return 6 * (self.octaves_views if self.gauss is None else self.gauss_views)

    @property
    def skipped(self) -> tuple[int, ...]:
        """Layers of the trunk but the first, from 0, whose output gets the input again."""
        return tuple(k for k in range(self.layers - 2) if k + 1 in self.skips)


class BoxSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where objects were in training: settings from 0 to 1 are read in these ranges."""

    count: Annotated[int, Meta(ge=1, le=MAX_OBJECTS)] = 1
    scale_min: Triple = (0.5, 0.5, 0.5)
    scale_max: Triple = (0.5, 0.5, 0.5)
    same_scale: bool = True  # one setting for the scales of all three axes
    translation_min: Triple = (-0.75, -0.75, 0.0)
    translation_max: Triple = (0.75, 0.75, 0.0)
    plane: Number | None = None  # height of all objects, whatever the translation says
    rotation: tuple[Number, Number] = (0.0, 1.0)  # about z, in turns


class RendererSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sizes of the 2-D network that paints the feature map (GIRAFFE, section 3.3)."""

    ups: Annotated[int, Meta(ge=1, le=8)] = 2  # upsamplings by two
    width: Annotated[int, Meta(ge=2, le=4096)] = 128
    least: Width = 32  # channels that no layer has fewer of
    upsample_features: Upsampling = "nearest"
    upsample_rgb: Upsampling = "bilinear"
    skip: bool = True  # whether each resolution adds a picture of its own
    norm: bool = False
    sigmoid: bool = True

    def channels(self, layer: int) -> int:
        """Of the map behind `layer` upsamplings."""
        if layer == 1:
            return self.width // 2
        return max(self.width >> layer, self.least) if layer else self.width


# What lies behind a picture is `background` in the files of all families.
NAMES = {"object": "object_field", "background": "background_field"}


class Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename=NAMES):
    """One GIRAFFE; defaults are the release's for 64² pixels."""

    object: FieldSpec = FieldSpec()
    background: FieldSpec = FieldSpec(width=64, layers=4, skips=(), divisor=12.0)
    code: Count = 256  # length of an object's shape code, and of its appearance code
    code_background: Count = 128
    boxes: BoxSpec = BoxSpec()
    background_rotation: tuple[Number, Number] = (0.0, 0.0)  # in turns
    draws_existence: bool = False  # whether training left some of the objects out
    densest: bool = False  # the densest field alone is seen, instead of the mean by density
    renderer: RendererSpec | None = RendererSpec()
    raster: Annotated[int, Meta(ge=2, le=4096)] = 16  # rays along a side of the feature map
    samples: Annotated[int, Meta(ge=2, le=4096)] = 64  # along a ray

    def __post_init__(self) -> None:
        if self.object.features != self.background.features:
            raise ValueError("objects and background must have equally many features")
        if self.renderer is None and self.object.features != 3:
            raise ValueError("without a 2-D network the features are colours: there must be 3")
        numbers = (
            *self.boxes.scale_min, *self.boxes.scale_max, *self.boxes.rotation,
            *self.boxes.translation_min, *self.boxes.translation_max, *self.background_rotation,
        )  # fmt: skip
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("ranges must be finite")

    @property
    def ratio(self) -> int:
        """Pixels of the picture to one of the feature map, along a side."""
        return 1 << self.renderer.ups if self.renderer else 1

    @property
    def size(self) -> int:
        """Pixels along a side of the picture."""
        return self.raster * self.ratio

    @property
    def turn(self) -> tuple[float, float]:
        """Trained range of the objects' azimuth, in degrees."""
        return 360 * self.boxes.rotation[0], 360 * self.boxes.rotation[1]


FIRST: Mapping[str, tuple[str, ...]] = {}  # graf 0.1.0 knew no such models
AXES = ("x", "y", "z")


def picture_fov(fov: float, raster: int) -> float:
    """Across the finished picture, degrees, of that from the map's first to its last pixel centre.

    Upsamplings are symmetric, so that a picture of S pixels painted of N has the focal length
    ``S (N − 1) / (2 N tan(fov / 2))``, and its centre in the middle.
    """
    return math.degrees(2 * math.atan(raster / (raster - 1) * math.tan(math.radians(fov) / 2)))


def blocks(spec: Spec, objects: int) -> tuple[Block, ...]:
    """The codes of a scene, objects first.

    Any model renders any number of objects, whatever it was trained with.
    """
    of_objects = (
        Block(f"object.{number}.{name}", spec.code, part=part)
        for number in range(objects)
        for name, part in PARTS
    )
    return (
        *of_objects,
        Block("background.shape", spec.code_background, part="background"),
        Block("background.appearance", spec.code_background, part="background"),
    )


PARTS: tuple[tuple[str, Literal["geometry", "colour"]], ...] = (
    ("shape", "geometry"),
    ("appearance", "colour"),
)


# Of 2, 3, 4 or 5 objects, where training left some out: shares of its scenes.
COUNTS = (
    (2.0, 0.19456788355146545),
    (3.0, 0.24355003312266127),
    (4.0, 0.2526954684618552),
    (5.0, 0.30918661486401804),
)


def controls(spec: Spec) -> tuple[Control, ...]:
    """What can be set beside codes and camera; ``object.*`` stands for each object.

    Scales and places are the release's settings: 0 and 1 are the ends of the trained range, and
    numbers outside are allowed. What has no range is no control. Angles are in degrees. What
    training drew at random, random scenes have at random.
    """
    return (_count(spec), *_turns(spec), *_scales(spec.boxes), *_places(spec.boxes), *_behind(spec))


def _count(spec: Spec) -> Control:
    # Training draws which ones as well; of objects that are all drawn alike, the first ones do.
    known = COUNTS if spec.draws_existence and spec.boxes.count >= len(COUNTS) + 1 else ()
    return Control(
        "objects",
        0,
        spec.boxes.count,
        spec.boxes.count,
        about="how many objects there are",
        whole=True,
        drawn=bool(known),
        chances=known,
    )


def _turns(spec: Spec) -> list[Control]:
    low, high = spec.turn
    turn = (low + high) / 2
    return [
        Control(TURN, low, high, turn, "degrees", "azimuth that all objects are seen from"),
        Control(
            "object.*.turn",
            low - turn,
            high - turn,
            0,
            "degrees",
            "added to that of one object",
            drawn=low < high,
            instead=TURN,
        ),
        Control(
            "object.*.exists",
            0,
            1,
            1,
            about="1 draws the object, 0 leaves it out",
            strict=True,
            whole=True,
        ),
    ]


def _scales(boxes: BoxSpec) -> list[Control]:
    varying = [i for i in range(3) if boxes.scale_min[i] != boxes.scale_max[i]]
    if boxes.same_scale:
        about = "size of the box"
        return [Control("object.*.scale", 0, 1, 0, about=about, drawn=True)] if varying else []
    return [
        Control(
            f"object.*.scale.{AXES[i]}",
            0,
            1,
            0,
            about=f"size of the box along {AXES[i]}",
            drawn=True,
        )
        for i in varying
    ]


def _places(boxes: BoxSpec) -> list[Control]:
    # Where an object stands that nobody has placed, `layout.arranged` says.
    about = {
        "x": "place towards the camera; if not said in the middle, or around the first object",
        "y": "place to the right; likewise",
        "z": "height",
    }
    found = [
        Control(f"object.*.{axis}", 0, 1, 0.5, about=about[axis], differs=axis != "z", drawn=True)
        for i, axis in enumerate(AXES)
        if boxes.translation_min[i] != boxes.translation_max[i]
        and not (axis == "z" and boxes.plane is not None)
    ]
    if len({"object.*.x", "object.*.y"} & {control.name for control in found}) == 2:
        on_circle = "place on the circle between the ends of x and y; if not said, none"
        found.append(Control("object.*.circle", 0, 360, 0, "degrees", on_circle, differs=True))
    return found


def _behind(spec: Spec) -> list[Control]:
    low, high = (360 * end for end in spec.background_rotation)
    about = "1 draws the background, 0 leaves it out"
    return [
        Control("background", 0, 1, 1, about=about, strict=True, whole=True),
        Control(
            "background.turn",
            low,
            high,
            (low + high) / 2,
            "degrees",
            "azimuth of the background",
            drawn=low < high,
        ),
    ]


SHOWN: frozenset[Kind] = (MARCHED - {"rgba"}) | {"alpha"}


def features(spec: Spec) -> Features:
    """Codes for as many objects as in training, and what can be set of them."""
    each = tuple(Block(f"object.{EACH}.{name}", spec.code, part=part) for name, part in PARTS)
    return Features(
        blocks=blocks(spec, spec.boxes.count),
        repeated=Repeated("objects", each, usual=spec.boxes.count, most=MAX_OBJECTS),
        truncation="scale",
        truncation_default=TEMPERATURE,
        controls=controls(spec),
        azimuth="objects",
        shows=SHOWN,
        background="generated",
        behind="background",
        sizes=(spec.size,) if spec.renderer is not None else None,
        raster=spec.raster if spec.renderer is not None else None,
        samples=spec.samples,
        fast=True,
    )
