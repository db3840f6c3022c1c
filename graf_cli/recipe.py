"""The Recipe: what to draw, exactly enough to draw it again.

Plain data, JSON both ways. What changes a pixel is in it; what does not (device, chunk, engine)
is not.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Annotated, Literal, TypedDict, Unpack

import msgspec
from msgspec import Meta, Struct

from graf_cli.errors import RecipeError, UsageError
from graf_cli.model.spec import ModelSpec
from graf_cli.syntax import MAX_SEED, MAX_SIZE, check_seeds, check_size, parse_colour
from graf_cli.version import __version__

DEFAULT_FRAMES = 120
DEFAULT_FPS = 30.0
MAX_FRAMES = 1_000_000
MAX_BYTES = 256 << 20  # of a recipe as JSON; latents and poses of many frames are long

Finite = Annotated[float, Meta(ge=-1e9, le=1e9)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]
Angle = Annotated[float, Meta(gt=0, lt=180)]
Elevation = Annotated[float, Meta(ge=-90, le=90)]
Seed = Annotated[int, Meta(ge=0, le=MAX_SEED)]
Seeds = Annotated[tuple[Seed, ...], Meta(min_length=1, max_length=4096)]
Side = Annotated[int, Meta(ge=1, le=MAX_SIZE)]
Frames = Annotated[int, Meta(ge=1, le=MAX_FRAMES)]
Samples_ = Annotated[int, Meta(ge=1, le=4096)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Row = tuple[Finite, ...]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown keys are errors: a recipe that is half understood draws something else."""


class ModelRef(_Strict, frozen=True, kw_only=True):
    """A model by name and content; never by path or address."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    sha256: Digest | None  # of the weights' file; None while it is not on this machine
    settings: Digest  # of the specification: camera, network, latent, background, size


class Object(_Strict, frozen=True, kw_only=True):
    """What is seen: seeds that are keyframes, or rows of numbers, one a frame."""

    shape: Seeds
    appearance: Seeds
    truncation: Annotated[float, Meta(ge=0, le=100)] = 1.0  # scales the codes
    codes: tuple[Row, ...] = ()  # n × dim, in place of the seeds


class View(_Strict, frozen=True, kw_only=True):
    """Where it is seen from: keyframes in degrees and world units, or poses, one a frame."""

    azimuth: tuple[Finite, ...]
    elevation: tuple[Elevation, ...]
    radius: tuple[Positive, ...]
    fov: tuple[Angle, ...]
    poses: tuple[Annotated[Row, Meta(min_length=12, max_length=12)], ...] = ()  # rows of 3 × 4


class Sweep(_Strict, frozen=True, kw_only=True, tag="render", tag_field="kind"):
    """Frames along keyframes."""

    object: Object
    view: View
    frames: Frames
    fps: Annotated[float, Meta(gt=0, le=1000)] = DEFAULT_FPS


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


Plan = Sweep | Samples | Grid


class Recipe(_Strict, frozen=True, kw_only=True):
    """Everything that decides a picture, or a whole job of them."""

    graf: str  # version of the program that wrote it
    schema: Literal[1] = 1
    model: ModelRef
    plan: Plan
    width: Side
    height: Side
    samples: Samples_  # along a ray
    background: Annotated[str, Meta(pattern="^#[0-9a-f]{6}$")]

    def __len__(self) -> int:
        """Number of pictures."""
        match self.plan:
            case Sweep():
                return self.plan.frames
            case Samples():
                return self.plan.n
            case Grid():
                return len(self.plan.shapes) * len(self.plan.appearances)

    def to_json(self) -> str:
        """As one line of JSON."""
        return msgspec.json.encode(self).decode()


def from_json(text: str | bytes) -> Recipe:
    """Read a recipe.

    Raises
    ------
    RecipeError
        Naming the key and the problem.
    """
    if len(text) > MAX_BYTES:
        raise RecipeError("The recipe is larger than a recipe can be.")
    try:
        return msgspec.json.decode(text, type=Recipe)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = str(error).replace(" - at `$.", " at `").rstrip(".")
        raise RecipeError(f"The recipe cannot be used: {message}.") from error


def model_ref(spec: ModelSpec, sha256: str | None) -> ModelRef:
    """Name a model by its name, its weights and the settings that draw with them."""
    settings = (spec.camera, spec.network, spec.latent, spec.background, spec.size)
    encoded = msgspec.json.encode(settings)
    return ModelRef(name=spec.name, sha256=sha256, settings=hashlib.sha256(encoded).hexdigest())


class PictureOptions(TypedDict, total=False):
    """What every command takes; missing values come from the model."""

    size: int | tuple[int, int] | None  # pixels, or (width, height)
    samples: int | None  # along a ray
    background: str | None  # "white", "black", "#rrggbb", or "model"


class CameraOptions(PictureOptions, total=False):
    """Where a picture is taken from: a number, or keyframes to sweep along."""

    azimuth: float | Sequence[float] | None  # degrees
    elevation: float | Sequence[float] | None  # degrees above the horizon
    radius: float | Sequence[float] | None  # world units
    fov: float | Sequence[float] | None  # degrees across the width
    poses: Sequence[Sequence[float]] | None  # n rows of a 3 × 4 camera-to-world matrix


class SweepOptions(CameraOptions, total=False):
    """What `render` takes."""

    seed: int | Sequence[int]  # of shape and appearance; keyframes to sweep along
    shape: int | Sequence[int] | None
    appearance: int | Sequence[int] | None
    truncation: float
    latents: Sequence[Sequence[float]] | None  # n rows of a code, in place of seeds
    frames: int | None
    fps: float | None


def sweep(ref: ModelRef, spec: ModelSpec, **options: Unpack[SweepOptions]) -> Recipe:
    """A picture, or the frames of a video as soon as something sweeps.

    Raises
    ------
    UsageError
        When an option's value cannot be meant, or two do not fit together.
    """
    seed = options.get("seed", 0)
    thing = Object(
        shape=_seeds(options.get("shape"), seed),
        appearance=_seeds(options.get("appearance"), seed),
        truncation=options.get("truncation", 1.0),
        codes=_rows(options.get("latents")),
    )
    camera = _view(spec, options)
    plan = Sweep(
        object=thing,
        view=camera,
        frames=_frames(thing, camera, options.get("frames")),
        fps=options.get("fps") or DEFAULT_FPS,
    )
    return _recipe(ref, spec, plan, options)


class SampleOptions(PictureOptions, total=False):
    """What `sample` takes."""

    truncation: float


def sample(
    ref: ModelRef, spec: ModelSpec, n: int, seed: int = 0, **options: Unpack[SampleOptions]
) -> Recipe:
    """Random objects and cameras; picture `k` is the same whatever `n` is.

    Raises
    ------
    UsageError
    """
    plan = Samples(n=n, seed=check_seeds([seed])[0], truncation=options.get("truncation", 1.0))
    return _recipe(ref, spec, plan, options)


class GridOptions(CameraOptions, total=False):
    """What `grid` takes."""

    truncation: float


def grid(
    ref: ModelRef,
    spec: ModelSpec,
    shapes: Sequence[int],
    appearances: Sequence[int],
    **options: Unpack[GridOptions],
) -> Recipe:
    """Every shape in every appearance, from one view; the arguments are seeds.

    Raises
    ------
    UsageError
    """
    plan = Grid(
        shapes=check_seeds(shapes),
        appearances=check_seeds(appearances),
        view=_view(spec, options),
        truncation=options.get("truncation", 1.0),
    )
    if _sweeps(plan.view):
        raise UsageError("A grid has one view; give numbers, not sweeps.")
    return _recipe(ref, spec, plan, options)


def _recipe(ref: ModelRef, spec: ModelSpec, plan: Plan, options: PictureOptions) -> Recipe:
    size = options.get("size") or spec.size
    width, height = check_size((size, size) if isinstance(size, int) else size)
    background = options.get("background") or "model"
    recipe = Recipe(
        graf=__version__,
        model=ref,
        plan=plan,
        width=width,
        height=height,
        samples=options.get("samples") or spec.network.samples,
        background=parse_colour(spec.background if background == "model" else background),
    )
    return _checked(recipe)


def _checked(recipe: Recipe) -> Recipe:
    """Apply the bounds of the format, which only reading does."""
    try:
        return msgspec.convert(msgspec.to_builtins(recipe), Recipe)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        option = where.rstrip("`").rstrip("[.]").rpartition(".")[2]
        raise UsageError(f"{problem} for --{option}." if option else f"{problem}.") from error


def _view(spec: ModelSpec, options: CameraOptions) -> View:
    camera = spec.camera
    poses = _rows(options.get("poses"))
    if poses and any(options.get(key) is not None for key in ("azimuth", "elevation", "radius")):
        raise UsageError(
            "--poses says where the cameras are; leave out azimuth, elevation, radius."
        )
    return View(
        azimuth=_keyframes(options.get("azimuth"), _middle(camera.azimuth)),
        elevation=_keyframes(options.get("elevation"), _middle(camera.elevation)),
        radius=_keyframes(options.get("radius"), _middle(camera.radius)),
        fov=_keyframes(options.get("fov"), camera.fov),
        poses=poses,
    )


def _middle(bounds: tuple[float, float]) -> float:
    return (bounds[0] + bounds[1]) / 2


def _keyframes(value: float | Sequence[float] | None, default: float) -> tuple[float, ...]:
    if value is None:
        return (default,)
    values = tuple(map(float, value if isinstance(value, Sequence) else (value,)))
    if not values or not all(map(math.isfinite, values)):
        raise UsageError("A sweep takes one or more finite numbers.")
    return values


def _seeds(value: int | Sequence[int] | None, default: int | Sequence[int]) -> tuple[int, ...]:
    chosen = default if value is None else value
    return check_seeds(chosen if isinstance(chosen, Sequence) else (chosen,))


def _rows(rows: Sequence[Sequence[float]] | None) -> tuple[Row, ...]:
    return tuple(tuple(map(float, row)) for row in rows) if rows is not None else ()


def _sweeps(view: View) -> bool:
    keyframes = (view.azimuth, view.elevation, view.radius, view.fov, view.poses)
    return any(len(values) > 1 for values in keyframes)


def _frames(thing: Object, view: View, frames: int | None) -> int:
    rows = {len(rows) for rows in (thing.codes, view.poses) if len(rows) > 1}
    if len(rows) > 1:
        raise UsageError(
            f"--latent has {len(thing.codes)} rows and --poses {len(view.poses)}; "
            "they pair up one to one, or one row serves all."
        )
    if rows:
        count = rows.pop()
        if frames not in (None, count):
            raise UsageError(f"--frames {frames} does not fit the {count} rows of the file.")
        return count
    moves = _sweeps(view) or len(thing.shape) > 1 or len(thing.appearance) > 1
    return frames or (DEFAULT_FRAMES if moves else 1)
