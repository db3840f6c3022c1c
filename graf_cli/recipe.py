"""The Recipe: what to draw, exactly enough to draw it again.

Plain data, JSON both ways. What changes a pixel is in it; what does not (device, chunk, engine)
is not.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from graf_cli.errors import RecipeError
from graf_cli.model.settings import LATEST, digest_of, version_of
from graf_cli.model.spec import features_of
from graf_cli.scene.spec import ModelSpec
from graf_cli.syntax import MAX_SEED, MAX_SIZE, SLACK, Precision

DEFAULT_FPS = 30.0
MAX_FRAMES = 1_000_000
MAX_KEYFRAMES = 4096
MAX_PIXELS = 1 << 26  # of one picture
MAX_BYTES = 256 << 20  # of a recipe as JSON; latents and poses of many frames are long
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
Depth = Annotated[float, Meta(ge=0, le=1e6)]
Ease = Literal["linear", "smooth"]
NormalFrame = Literal["camera", "world"]
Kind = Literal["rgb", "rgba", "depth", "depth16", "disparity", "opacity", "normal"]
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


class Object(_Strict, frozen=True, kw_only=True):
    """What is seen: seeds that are keyframes, or rows of numbers, one a frame."""

    shape: Seeds
    appearance: Seeds
    truncation: Annotated[float, Meta(ge=0, le=100)] = 1.0  # scales the codes
    codes: tuple[Row, ...] = ()  # n × dim, in place of the seeds


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


class Sweep(_Strict, frozen=True, kw_only=True, tag="render", tag_field="kind"):
    """Frames along keyframes."""

    object: Object
    view: View
    frames: Frames
    fps: Annotated[float, Meta(gt=0, le=1000)] = DEFAULT_FPS
    ease: Ease = "linear"  # smooth: slow at both ends
    boomerang: bool = False  # there and back, without repeating a frame

    def __post_init__(self) -> None:
        for key, rows in (("codes", self.object.codes), ("poses", self.view.poses)):
            if len(rows) not in (0, 1, self.frames):
                raise ValueError(
                    f"`{key}` has {len(rows)} rows for {self.frames} frames; it needs 1 or as many"
                )
        if len(set(map(len, self.object.codes))) > 1:
            raise ValueError("the rows of `codes` differ in length")


class Samples(_Strict, frozen=True, kw_only=True, tag="sample", tag_field="kind"):
    """Random objects seen by random cameras from the model's own distribution."""

    n: Frames
    seed: Seed
    truncation: Annotated[float, Meta(ge=0, le=100)] = 1.0


class Grid(_Strict, frozen=True, kw_only=True, tag="grid", tag_field="kind"):
    """Rows share a shape, columns an appearance."""

    shapes: Seeds
    appearances: Seeds
    view: View
    truncation: Annotated[float, Meta(ge=0, le=100)] = 1.0


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
    truncation: Annotated[float, Meta(ge=0, le=100)] = 1.0

    def __post_init__(self) -> None:
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


class Recipe(_Strict, frozen=True, kw_only=True):
    """Everything that decides a picture, or a whole job of them."""

    graf: Annotated[str, Meta(max_length=100)]  # version of the program that wrote it
    schema: Literal[1] = 1
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

    def __post_init__(self) -> None:
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
            raise ValueError("`depth16` is shown alone, since its numbers are no colours")

    @property
    def planned(self) -> int:
        """Number of pictures of the whole plan."""
        match self.plan:
            case Sweep():
                return self.plan.frames
            case Samples():
                return self.plan.n
            case Grid():
                return len(self.plan.shapes) * len(self.plan.appearances)
            case Dataset():
                return self.plan.objects * self.plan.views

    @property
    def per_shape(self) -> int:
        """How many pictures of the plan, one after another, share each shape."""
        match self.plan:
            case Sweep(object=thing):
                return self.plan.frames if max(len(thing.shape), len(thing.codes)) == 1 else 1
            case Samples():
                return 1
            case Grid():
                return len(self.plan.appearances)
            case Dataset():
                return self.plan.views

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
            thing = replace(plan.object, codes=_row(plan.object.codes, index))
            view = replace(
                plan.view,
                poses=_row(plan.view.poses, index),
                intrinsics=_row(plan.view.intrinsics, index),
            )
            plan = replace(plan, object=thing, view=view)
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

    def to_json(self) -> str:
        """As one line of JSON."""
        return msgspec.json.encode(self).decode()


def _row(rows: tuple[R, ...], k: int) -> tuple[R, ...]:
    return rows[k : k + 1] if len(rows) > 1 else rows


def from_json(text: str | bytes, where: str = "The recipe") -> Recipe:
    """Read a recipe; an error says `where` it is.

    Raises
    ------
    RecipeError
        Naming the key and the problem.
    """
    if len(text) > MAX_BYTES:
        raise RecipeError(f"{where} is larger than a recipe can be.")
    try:
        return msgspec.json.decode(text, type=Recipe)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        message = str(error).replace(" - at `$.", " at `").replace(" - at `$`", "").rstrip(".")
        raise RecipeError(f"{where} cannot be used as a recipe: {message}.") from error


def same(there: Recipe, here: Recipe) -> bool:
    """Whether two recipes show the same, whichever versions of the program wrote them.

    The one place that says what makes a recipe another one; ``==`` tells the versions apart too.
    """
    return replace(there, graf=here.graf) == here


def differences(there: Recipe, here: Recipe, most: int = 3) -> str:
    """Where two recipes are not the `same`: "`plan.n` is 32 there and 64 here"."""
    a, b = (_leaves("", msgspec.to_builtins(replace(r, graf=""))) for r in (there, here))
    keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
    told = [f"`{key}` is {_short(a.get(key))} there and {_short(b.get(key))} here" for key in keys]
    more = [f"{len(told) - most} more"] if len(told) > most else []
    return ", ".join((*told[:most], *more))


def _leaves(prefix: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        return {prefix: value}
    parts = (_leaves(f"{prefix}.{key}".strip("."), item) for key, item in value.items())
    return {key: leaf for part in parts for key, leaf in part.items()}


def _short(value: object, most: int = 40) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= most else f"{text[:most]}…"


def model_ref(spec: ModelSpec, sha256: str | None) -> ModelRef:
    """Name a model by its name, its weights and the settings that draw with them."""
    name = "".join(c if c.isprintable() else "?" for c in spec.name[:200])
    return ModelRef(name=name, sha256=sha256, settings=digest_of(spec))


def check_model(recipe: Recipe, ref: ModelRef) -> None:
    """Refuse to draw a recipe with a model that is not its own, whatever it is called.

    Raises
    ------
    RecipeError
        Naming both.
    """
    wanted = recipe.model
    if wanted.sha256 is not None and wanted.sha256 != ref.sha256:
        raise RecipeError(
            f"The recipe is of `{wanted.name}` with the SHA-256 {wanted.sha256[:12]}…, but this "
            f"is `{ref.name}` with {(ref.sha256 or 'none')[:12]}…; name its own model with "
            "⟨model⟩ or ⟨checkpoint⟩."
        )
    if version_of(wanted.settings) > LATEST:
        raise RecipeError(
            f"The recipe is of `{wanted.name}` under settings ({wanted.settings[:12]}…) that only "
            "a newer graf knows; update graf."
        )
    if wanted.settings != ref.settings:
        raise RecipeError(
            f"The recipe is of `{wanted.name}` under other settings ({wanted.settings[:12]}…) than "
            f"this `{ref.name}` ({ref.settings[:12]}…); give the ⟨manifest⟩ or ⟨config⟩ of then."
        )


def check_codes(recipe: Recipe, spec: ModelSpec) -> None:
    """Refuse codes that are not as long as the model's.

    Raises
    ------
    RecipeError
    """
    codes = recipe.plan.object.codes if isinstance(recipe.plan, Sweep) else ()
    length = features_of(spec).length
    if codes and len(codes[0]) != length:
        raise RecipeError(
            f"The recipe's codes have {len(codes[0])} numbers, but those of `{spec.name}` have "
            f"{length}; name the model that they are of."
        )
