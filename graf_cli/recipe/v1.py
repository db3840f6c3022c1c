"""Schema 1 of the Recipe, as graf 0.1.0 wrote it: read for ever, and made today's form.

It knows one family, whose blocks are `shape` and `appearance`. Nothing here changes any more.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from graf_cli.decoding import decode
from graf_cli.recipe import v2
from graf_cli.recipe.v2 import (
    DEFAULT_FPS,
    Angle,
    Depth,
    Ease,
    Elevation,
    Finite,
    Frames,
    Keyframes,
    Kind,
    ModelRef,
    NormalFrame,
    Pinhole,
    Positive,
    Row,
    Samples_,
    Seed,
    Seeds,
    Side,
    Split,
    Truncation,
    _Strict,
)
from graf_cli.scene.features import Features
from graf_cli.syntax import Precision

SCHEMA = 1
LATER = frozenset(  # than 0.1.0, of a data set
    {"controls", "annotations", "labels", "jitter", "composited", "export", "marched"}
)
BLOCKS = ("shape", "appearance")  # of every recipe, also where a model lacks the second one


class Object(_Strict, frozen=True, kw_only=True):
    """What is seen: seeds that are keyframes, or rows of numbers, one a frame."""

    shape: Seeds
    appearance: Seeds
    truncation: Truncation = 1.0
    codes: tuple[Row, ...] = ()

    def today(self) -> v2.SubjectPath:
        """Seeds beside codes were never looked at."""
        if self.codes:
            return v2.SubjectPath(rows=v2.Rows(values=self.codes), truncation=self.truncation)
        seeds = {"shape": self.shape, "appearance": self.appearance}
        return v2.SubjectPath(seeds=seeds, truncation=self.truncation)


class View(_Strict, frozen=True, kw_only=True):
    """Where it is seen from."""

    azimuth: Annotated[tuple[Finite, ...], Keyframes]
    elevation: Annotated[tuple[Elevation, ...], Keyframes]
    radius: Annotated[tuple[Positive, ...], Keyframes]
    fov: Annotated[tuple[Angle, ...], Keyframes]
    poses: tuple[Annotated[Row, Meta(min_length=12, max_length=12)], ...] = ()
    intrinsics: tuple[Pinhole, ...] = ()  # of what was written between 0.1.0 and schema 2

    def today(self) -> v2.View:
        """Field by field."""
        return v2.View(**_fields(self))


class Sweep(_Strict, frozen=True, kw_only=True, tag="render", tag_field="kind"):
    """Frames along keyframes."""

    object: Object
    view: View
    frames: Frames
    fps: Annotated[float, Meta(gt=0, le=1000)] = DEFAULT_FPS
    ease: Ease = "linear"
    boomerang: bool = False

    def today(self) -> v2.Sweep:
        """The object becomes a subject."""
        plain = _fields(self)
        del plain["object"]
        return v2.Sweep(**{**plain, "subject": self.object.today(), "view": self.view.today()})


class Samples(_Strict, frozen=True, kw_only=True, tag="sample", tag_field="kind"):
    """Random objects seen by random cameras."""

    n: Frames
    seed: Seed
    truncation: Truncation = 1.0

    def today(self) -> v2.Samples:
        """Field by field."""
        return v2.Samples(**_fields(self))


class Grid(_Strict, frozen=True, kw_only=True, tag="grid", tag_field="kind"):
    """Rows share a shape, columns an appearance."""

    shapes: Seeds
    appearances: Seeds
    view: View
    truncation: Truncation = 1.0

    def today(self) -> v2.Grid:
        """Its two axes."""
        return v2.Grid(
            rows=v2.SeedAxis(blocks=("shape",), seeds=self.shapes),
            columns=v2.SeedAxis(blocks=("appearance",), seeds=self.appearances),
            subject=v2.SubjectPath(truncation=self.truncation),
            view=self.view.today(),
        )


class Dataset(_Strict, frozen=True, kw_only=True, tag="dataset", tag_field="kind"):
    """Objects that are each seen by several cameras."""

    objects: Frames
    views: Frames
    seed: Seed
    cameras: Literal["model", "orbit", "cap", "poses"]
    view: View
    splits: Annotated[tuple[Split, ...], Meta(min_length=1, max_length=32)]
    depth_unit: Positive
    tar_size: Annotated[int, Meta(ge=1, le=1 << 20)] | None = None
    truncation: Truncation = 1.0

    def today(self) -> v2.Dataset:
        """Field by field."""
        return v2.Dataset(**{**_fields(self), "view": self.view.today()})


class Recipe(_Strict, frozen=True, kw_only=True):
    """Everything that decided a picture, or a whole job of them."""

    graf: Annotated[str, Meta(max_length=100)]
    schema: Literal[1] = 1
    model: ModelRef
    plan: Sweep | Samples | Grid | Dataset
    width: Side
    height: Side
    samples: Samples_
    background: Annotated[str, Meta(pattern=r"^(#[0-9a-f]{6}|transparent)\Z")]
    show: Annotated[tuple[Kind, ...], Meta(min_length=1, max_length=8)] = ("rgb",)
    depth_range: tuple[Depth, Depth] | None = None
    normals: NormalFrame = "camera"
    frame: Annotated[int, Meta(ge=0)] | None = None
    exact: bool = False
    precision: Precision = "auto"

    def today(self) -> v2.Recipe:
        """The same in today's form, whose own rules hold then."""
        plain = _fields(self)
        del plain["schema"]
        return v2.Recipe(**{**plain, "plan": self.plan.today()})


def read(text: str | bytes) -> v2.Recipe:
    """A recipe of this schema in today's form.

    Raises
    ------
    msgspec.MsgspecError, ValueError
    """
    return decode(text, Recipe).today()


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    return {key: getattr(struct, key) for key in struct.__struct_fields__}


def idle(block: str, features: Features) -> bool:
    """Whether a block is one that a recipe of this schema names though the model has none such."""
    return block in BLOCKS and features.block("shape") is not None and not features.block(block)


def text_of(recipe: v2.Recipe) -> str | None:
    """The recipe of a data set as 0.1.0 would have told it; None when it could not.

    How many views a tar holds was counted by its length, and has to be again when its job is
    gone on with.
    """
    plan = recipe.plan
    if not isinstance(plan, v2.Dataset) or plan.controls or plan.annotations or plan.labels:
        return None
    if recipe.jitter is not None or recipe.composited or recipe.export or recipe.marched:
        return None
    view = _fields(plan.view)
    if not view["intrinsics"]:
        del view["intrinsics"]
    told = {key: value for key, value in _fields(plan).items() if key not in LATER}
    told_recipe = {key: value for key, value in _fields(recipe).items() if key not in LATER}
    first = {"graf": told_recipe.pop("graf"), "schema": SCHEMA}
    whole = {**first, **told_recipe, "plan": {"kind": "dataset", **told, "view": view}}
    return msgspec.json.encode(whole).decode()
