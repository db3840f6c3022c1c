"""Schema 2 of the Recipe, which is today's: its form, and what is counted by it."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import fields, replace

from graf_cli.decoding import decode
from graf_cli.scene.features import Features
from graf_cli.surfaces.options import Export
from graf_cli.syntax import MAX_SEED, MAX_SIZE, SLACK, Precision

SCHEMA = 2
DEFAULT_FPS = 30.0
MAX_FRAMES = 1_000_000
MAX_KEYFRAMES = 4096
MAX_PIXELS = 1 << 26  # of one picture
TRANSPARENT = "transparent"

Finite = Annotated[float, Meta(ge=-1e9, le=1e9)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]
Focal = Annotated[float, Meta(gt=0, le=1e9)]
Angle = Annotated[float, Meta(gt=0, lt=180)]
Elevation = Annotated[float, Meta(ge=-90, le=90)]
Seed = Annotated[int, Meta(ge=0, le=MAX_SEED)]
Seeds = Annotated[tuple[Seed, ...], Meta(min_length=1, max_length=4096)]
Side = Annotated[int, Meta(ge=1, le=MAX_SIZE)]
Frames = Annotated[int, Meta(ge=1, le=MAX_FRAMES)]
Samples_ = Annotated[int, Meta(ge=1, le=4096)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Settings = Annotated[str, Meta(pattern=r"^([1-9][0-9]?:)?[0-9a-f]{64}\Z")]  # version: digest
Row = tuple[Finite, ...]
Pinhole = tuple[Focal, Focal, Finite, Finite]
R = TypeVar("R")
Keyframes = Meta(min_length=1, max_length=MAX_KEYFRAMES)
Values = Annotated[tuple[Finite, ...], Keyframes]
Truncation = Annotated[float, Meta(ge=0, le=100)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")]
Space = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9+_-]{0,31}\Z")]
Depth = Annotated[float, Meta(ge=0, le=1e6)]
Ease = Literal["linear", "smooth"]
NormalFrame = Literal["camera", "world"]
Kind = Literal["rgb", "rgba", "depth", "depth16", "disparity", "opacity", "normal", "raw", "alpha"]
VIEW_BOUNDS = {  # of `View`, its open ends closed at what is as good as nothing
    "azimuth": (-1e9, 1e9), "elevation": (-90, 90), "radius": (1e-9, 1e6), "fov": (1e-6, 179.999999)
}  # fmt: skip
SCALED: frozenset[Kind] = frozenset({"depth", "depth16", "disparity"})  # by `depth_range`


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown keys are errors: a recipe that is half understood draws something else."""


class ModelRef(_Strict, frozen=True, kw_only=True):
    """A model by name and content; never by path or address."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    sha256: Digest | None  # of the weights' file; None while it is not on this machine
    settings: Settings  # of the specification: camera, network, latent, background, size

    def __post_init__(self) -> None:
        if not self.name.isprintable():
            raise ValueError("a model's name is printable")


class Rows(_Strict, frozen=True, kw_only=True):
    """Rows of numbers in place of seeds: one a frame, or one for all."""

    values: Annotated[tuple[Row, ...], Meta(min_length=1)]  # n × numbers
    space: Space = "z"  # one of the family's
    shape: tuple[Annotated[int, Meta(ge=1, le=1 << 20)], ...] = ()  # of a row that is a table

    def __post_init__(self) -> None:
        if len(set(map(len, self.values))) > 1:
            raise ValueError("the rows of `values` differ in length")
        if self.shape and math.prod(self.shape) != len(self.values[0]):
            raise ValueError(
                f"`shape` is {_times(self.shape)}, but the rows of `values` have "
                f"{len(self.values[0])} numbers"
            )


class SubjectPath(_Strict, frozen=True, kw_only=True):
    """What is seen: keyframes of each block and control, or rows of numbers.

    Which blocks, spaces and controls there are is the family's to say; see
    `graf_cli.scene.features.Features`.
    """

    seeds: dict[Name, Seeds] = {}  # by block
    rows: Rows | None = None  # in place of the seeds
    controls: dict[Name, Values] = {}  # those that are set
    truncation: Truncation = 1.0

    def __post_init__(self) -> None:
        if self.rows is not None and self.seeds:
            raise ValueError("`rows` stand in place of `seeds`; one of them is left out")

    def __hash__(self) -> int:
        return hash((_items(self.seeds), self.rows, _items(self.controls), self.truncation))

    @property
    def moves(self) -> bool:
        """Whether there is more than one to see."""
        rows = 1 if self.rows is None else len(self.rows.values)
        several = (*self.seeds.values(), *self.controls.values())
        return rows > 1 or any(len(keyframes) > 1 for keyframes in several)


class View(_Strict, frozen=True, kw_only=True):
    """Where it is seen from: keyframes in degrees and world units, or poses, one a frame."""

    azimuth: Annotated[tuple[Finite, ...], Keyframes]
    elevation: Annotated[tuple[Elevation, ...], Keyframes]
    radius: Annotated[tuple[Positive, ...], Keyframes]
    fov: Annotated[tuple[Angle, ...], Keyframes]
    poses: tuple[Annotated[Row, Meta(min_length=12, max_length=12)], ...] = ()  # rows of 3 × 4
    intrinsics: tuple[Pinhole, ...] = ()  # fx, fy, cx, cy in pixels, in place of `fov`

    def __post_init__(self) -> None:
        if len(self.intrinsics) not in (0, 1, len(self.poses)):
            raise ValueError(
                f"`intrinsics` has {len(self.intrinsics)} rows for {len(self.poses)} of `poses`; "
                "it needs 1 or as many"
            )

    @property
    def moves(self) -> bool:
        """Whether there is more than one view."""
        return any(len(getattr(self, key)) > 1 for key in self.__struct_fields__)


class Sweep(_Strict, frozen=True, kw_only=True, tag="render", tag_field="kind"):
    """Frames along keyframes."""

    subject: SubjectPath
    view: View
    frames: Frames
    fps: Annotated[float, Meta(gt=0, le=1000)] = DEFAULT_FPS
    ease: Ease = "linear"  # smooth: slow at both ends
    boomerang: bool = False  # there and back, without repeating a frame

    def __post_init__(self) -> None:
        rows = () if self.subject.rows is None else self.subject.rows.values
        for key, given in (("rows", rows), ("poses", self.view.poses)):
            if len(given) not in (0, 1, self.frames):
                raise ValueError(
                    f"`{key}` has {len(given)} rows for {self.frames} frames; it needs 1 or as many"
                )


class Samples(_Strict, frozen=True, kw_only=True, tag="sample", tag_field="kind"):
    """Random objects seen by random cameras from the model's own distribution."""

    n: Frames
    seed: Seed
    truncation: Truncation = 1.0
    controls: dict[Name, Finite] = {}  # those that are set, the same for all

    def __hash__(self) -> int:
        return hash((self.n, self.seed, self.truncation, _items(self.controls)))


class SeedAxis(_Strict, frozen=True, kw_only=True, tag="seeds", tag_field="of"):
    """An axis along which blocks change."""

    blocks: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=256)]
    seeds: Seeds

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def changes(self) -> frozenset[str]:
        """What it sets, by name."""
        return frozenset(self.blocks)


class ViewAxis(_Strict, frozen=True, kw_only=True, tag="view", tag_field="of"):
    """An axis along which the camera moves."""

    word: Literal["azimuth", "elevation", "radius", "fov"]
    values: Values

    def __post_init__(self) -> None:
        low, high = VIEW_BOUNDS[self.word]
        if not all(low <= value <= high for value in self.values):
            raise ValueError(f"`{self.word}` is from {low:g} to {high:g}")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def changes(self) -> frozenset[str]:
        """What it sets, by name."""
        return frozenset({self.word})


class ControlAxis(_Strict, frozen=True, kw_only=True, tag="control", tag_field="of"):
    """An axis along which a control changes."""

    name: Name
    values: Values

    def __len__(self) -> int:
        return len(self.values)

    @property
    def changes(self) -> frozenset[str]:
        """What it sets, by name."""
        return frozenset({self.name})


Axis = SeedAxis | ViewAxis | ControlAxis


class Grid(_Strict, frozen=True, kw_only=True, tag="grid", tag_field="kind"):
    """Pictures side by side: something changes from row to row, something else in each row."""

    rows: Axis
    columns: Axis
    subject: SubjectPath  # what the axes leave as it is
    view: View

    def __post_init__(self) -> None:
        if self.rows.changes & self.columns.changes:
            raise ValueError("`rows` and `columns` change the same thing")
        if self.subject.moves:
            raise ValueError("`subject` sweeps; in a grid the axes alone do")


class Split(_Strict, frozen=True, kw_only=True):
    """Part of a data set, to which whole objects belong."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}\Z")]
    share: Annotated[float, Meta(gt=0, le=1)]


class Dataset(_Strict, frozen=True, kw_only=True, tag="dataset", tag_field="kind"):
    """Objects that are each seen by several cameras, one object's views after the other's.

    The cameras stand where the model's own stand, drawn at random between the ends of `view`; or
    on an orbit along its keyframes; or on a cap of the sphere between its elevations; or at its
    poses. A recipe of one picture keeps the first pose and its own.
    """

    objects: Frames
    views: Frames
    seed: Seed
    cameras: Literal["model", "orbit", "cap", "poses"]
    view: View
    splits: Annotated[tuple[Split, ...], Meta(min_length=1, max_length=32)]
    depth_unit: Positive  # world units that one step of a depth picture is
    tar_size: Annotated[int, Meta(ge=1, le=1 << 20)] | None = None  # MB at most; None is a folder
    truncation: Truncation = 1.0
    controls: dict[Name, Finite] = {}  # those that are set, the same for all
    annotations: Literal["coco"] | None = None  # a file of all objects' boxes and masks as well
    labels: bool = False  # images alone, and a dataset.json of a label for each

    def __hash__(self) -> int:
        plain = (getattr(self, key) for key in self.__struct_fields__ if key != "controls")
        return hash((*plain, _items(self.controls)))

    def __post_init__(self) -> None:
        if self.labels and self.tar_size is not None:
            raise ValueError("labels are those of a folder, not of tars")
        if self.objects * self.views > MAX_FRAMES:
            raise ValueError(f"a data set has at most {MAX_FRAMES:,} pictures")
        rows = len(self.view.poses)
        if rows not in ({1, min(2, self.views), self.views} if self.cameras == "poses" else {0}):
            raise ValueError(f"`poses` has {rows} rows for {self.views} views")
        if len(self.view.fov) > 1:
            raise ValueError("a data set has one field of view")
        if self.cameras in ("model", "cap"):
            _check_ranges(self.view)
        if len({split.name.lower() for split in self.splits}) < len(self.splits):
            raise ValueError("each split has a name of its own")
        if abs(sum(split.share for split in self.splits) - 1) > SLACK:
            raise ValueError("the shares of the splits make 1 together")

    @property
    def whole(self) -> bool:
        """Whether no pose of a view is left out."""
        return len(self.view.poses) in (0, self.views)

    def pose(self, view: int) -> Row:
        """The row of a view, as far as it is there."""
        poses = self.view.poses
        return poses[view] if self.whole else poses[-1 if view else 0]

    def intrinsics(self, view: int) -> Pinhole | None:
        """The pinhole of a view, where it is more than a field of view."""
        rows = self.view.intrinsics
        if len(rows) < 2:
            return rows[0] if rows else None
        return rows[view] if self.whole else rows[-1 if view else 0]


def _check_ranges(view: View) -> None:
    for key in ("azimuth", "elevation", "radius"):
        ends = getattr(view, key)
        if len(ends) > 2 or ends[0] > ends[-1]:
            raise ValueError(f"`{key}` goes from a lower end to an upper one")


Plan = Sweep | Samples | Grid | Dataset


def values_of(plan: Plan) -> dict[str, tuple[float, ...]]:
    """Of each control that is set, all keyframes or values along an axis."""
    match plan:
        case Sweep():
            return plan.subject.controls
        case Samples() | Dataset():
            return {name: (value,) for name, value in plan.controls.items()}
        case Grid():
            axes = (axis for axis in (plan.rows, plan.columns) if isinstance(axis, ControlAxis))
            return {**plan.subject.controls, **{axis.name: axis.values for axis in axes}}


class Recipe(_Strict, frozen=True, kw_only=True, tag=SCHEMA, tag_field="schema"):
    """Everything that decides a picture, or a whole job of them."""

    graf: Annotated[str, Meta(max_length=100)]  # version of the program that wrote it
    model: ModelRef
    plan: Plan
    width: Side  # pixels of one view
    height: Side
    samples: Samples_  # along a ray
    background: Annotated[str, Meta(pattern=r"^(#[0-9a-f]{6}|transparent)\Z")]
    show: Annotated[tuple[Kind, ...], Meta(min_length=1, max_length=8)] = ("rgb",)  # side by side
    depth_range: tuple[Depth, Depth] | None = None  # ends of the scale of depths, world units
    normals: NormalFrame = "camera"  # whose axes normals are told in
    frame: Annotated[int, Meta(ge=0)] | None = None  # only this one of the plan's pictures
    exact: bool = False  # the plain marcher, where it was asked for by name
    precision: Precision = "auto"  # of the matrix products, likewise: both can move a last digit
    jitter: Seed | None = None  # of the random numbers of the authors' program; None draws none
    marched: Side | None = None  # pixels along a side of all but rgb, each enlarged
    composited: bool = False  # `background` shows where a model leaves out the one that it paints
    export: Export | None = None  # what is taken out of each picture's object, in its place

    def __post_init__(self) -> None:
        if self.export is not None and not isinstance(self.plan, Sweep | Samples):
            raise ValueError("`export` takes objects, those of a sweep or of samples")
        if not self.graf.isprintable():
            raise ValueError("a version is printable")
        if self.frame is not None and self.frame >= self.planned:
            raise ValueError(f"`frame` is {self.frame}, but there are {self.planned} pictures")
        if self.width * self.height > MAX_PIXELS:
            raise ValueError(f"a picture has at most {MAX_PIXELS >> 20} megapixels")
        if self.depth_range is not None and not self.depth_range[0] < self.depth_range[1]:
            raise ValueError("`depth_range` goes from a nearer depth to a farther one")
        if SCALED.intersection(self.show) and self.depth_range is None:
            raise ValueError("`depth_range` is missing, which depths are shown by")
        if isinstance(self.plan, Dataset) and self.frame is None and not self.plan.whole:
            raise ValueError("`poses` has not a row for every view")
        if "depth16" in self.show and len(self.show) > 1:
            raise ValueError("`depth16` is shown alone, since its numbers are not colours")

    @property
    def planned(self) -> int:
        """Number of pictures of the whole plan."""
        match self.plan:
            case Sweep():
                return self.plan.frames
            case Samples():
                return self.plan.n
            case Grid():
                return len(self.plan.rows) * len(self.plan.columns)
            case Dataset():
                return self.plan.objects * self.plan.views

    def together(self, features: Features) -> int:
        """How many pictures of the plan, one after another, share each geometry.

        They share every block that is not of colour alone, every control and, where the geometry
        moves with the camera, the view.
        """
        match self.plan:
            case Sweep(subject=subject, view=view):
                rows = 1 if subject.rows is None else len(subject.rows.values)
                moving = {name for name, seeds in subject.seeds.items() if len(seeds) > 1}
                controls = any(len(values) > 1 for values in subject.controls.values())
                turned = _follows(features) and view.moves
                still = not (rows > 1 or controls or turned or moving & _geometry(features))
                return self.plan.frames if still else 1
            case Samples():
                return 1
            case Grid(columns=SeedAxis() as columns):
                return 1 if columns.changes & _geometry(features) else len(columns)
            case Grid(columns=ViewAxis() as columns):
                return 1 if _follows(features) else len(columns)
            case Grid():
                return 1
            case Dataset():
                return 1 if _follows(features) else self.plan.views

    def __len__(self) -> int:
        """Number of pictures."""
        return self.planned if self.frame is None else 1

    @property
    def fps(self) -> float:
        """Pictures a second, where they follow each other."""
        return self.plan.fps if isinstance(self.plan, Sweep) else DEFAULT_FPS

    def only(self, k: int) -> Recipe:
        """The recipe of picture `k` alone, without the rows that the others are made of."""
        index = k if self.frame is None else self.frame
        plan = self.plan
        if isinstance(plan, Sweep):
            subject = plan.subject
            if subject.rows is not None:
                values = _row(subject.rows.values, index)
                subject = replace(subject, rows=replace(subject.rows, values=values))
            view = replace(
                plan.view,
                poses=_row(plan.view.poses, index),
                intrinsics=_row(plan.view.intrinsics, index),
            )
            plan = replace(plan, subject=subject, view=view)
        if isinstance(plan, Dataset) and plan.view.poses:
            own = index % plan.views
            rows = plan.view.poses[:1] + ((plan.pose(own),) if own else ())
            lenses = plan.view.intrinsics
            if len(lenses) > 1:
                lenses = (
                    lenses[:1] + (lenses[own : own + 1] if plan.whole else lenses[-1:])
                    if own
                    else lenses[:1]
                )
            plan = replace(plan, view=replace(plan.view, poses=rows, intrinsics=lenses))
        return replace(self, plan=plan, frame=index if self.planned > 1 else None)

    def to_plain(self) -> dict[str, Any]:
        """As plain data; what is at its default is left out, which any reader of it knows."""
        plain: dict[str, Any] = msgspec.to_builtins(self._plain())
        return plain

    def to_json(self) -> str:
        """As one line of JSON, likewise."""
        return msgspec.json.encode(self._plain()).decode()

    def _plain(self) -> dict[str, Any]:
        return {"graf": self.graf, **_plain(self)}  # whose it is comes first, and then the schema


def _plain(struct: Struct) -> dict[str, Any]:
    """Its fields by name, and its tag; what is in them is left to msgspec."""
    config = struct.__struct_config__
    plain: dict[str, Any] = {}
    if config.tag is not None:
        plain[str(config.tag_field)] = config.tag
    for field in fields(struct):
        value = getattr(struct, field.name)
        if value != default_of(field):
            plain[field.name] = _plain(value) if isinstance(value, Struct) else value
    return plain


def default_of(field: msgspec.structs.FieldInfo) -> object:
    """That of a field; one which has none equals no value."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _items(mapping: dict[str, Any]) -> frozenset[tuple[str, Any]]:
    return frozenset(mapping.items())


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _geometry(features: Features) -> frozenset[str]:
    """The blocks that may move the density."""
    return frozenset(block.name for block in features.blocks if block.part != "colour")


def _follows(features: Features) -> bool:
    """Whether the geometry moves with the view."""
    return features.conditioned_on_camera or features.azimuth == "objects"


def _row(rows: tuple[R, ...], k: int) -> tuple[R, ...]:
    return rows[k : k + 1] if len(rows) > 1 else rows


def read(text: str | bytes) -> Recipe:
    """A recipe of this schema.

    Raises
    ------
    msgspec.MsgspecError
    """
    return decode(text, Recipe)
