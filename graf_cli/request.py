"""What people ask for becomes a Recipe; what they leave out comes from the model.

The same words serve the command line and the library, and a Recipe can be taken as the starting
point that they override.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TypedDict, Unpack

import msgspec
from msgspec.structs import replace

from graf_cli.errors import UsageError
from graf_cli.model.spec import ModelSpec
from graf_cli.recipe import (
    DEFAULT_FPS,
    SCALED,
    TRANSPARENT,
    Ease,
    Grid,
    Kind,
    ModelRef,
    NormalFrame,
    Object,
    Plan,
    Recipe,
    Row,
    Samples,
    Sweep,
    View,
)
from graf_cli.syntax import check_seeds, check_size, parse_colour
from graf_cli.version import __version__

DEFAULT_FRAMES = 120


class PictureOptions(TypedDict, total=False):
    """What every command takes; missing values come from the model."""

    size: int | tuple[int, int] | None  # pixels, or (width, height)
    samples: int | None  # along a ray
    background: str | None  # "white", "black", "#rrggbb", "transparent", or "model"
    truncation: float | None
    show: Sequence[Kind] | None  # one or several, side by side
    depth_range: tuple[float, float] | None  # ends of the scale of depths, world units
    normals: NormalFrame | None  # whose axes normals are told in


class CameraOptions(PictureOptions, total=False):
    """Where a picture is taken from: a number, or keyframes to sweep along."""

    azimuth: float | Sequence[float] | None  # degrees
    elevation: float | Sequence[float] | None  # degrees above the horizon
    radius: float | Sequence[float] | None  # world units
    fov: float | Sequence[float] | None  # degrees across the width
    poses: Sequence[Sequence[float]] | None  # n rows of a 3 × 4 camera-to-world matrix


class SweepOptions(CameraOptions, total=False):
    """What `render` takes."""

    seed: int | Sequence[int] | None  # of shape and appearance; keyframes to sweep along
    shape: int | Sequence[int] | None
    appearance: int | Sequence[int] | None
    latents: Sequence[Sequence[float]] | None  # n rows of a code, in place of seeds
    frames: int | None
    fps: float | None
    ease: Ease | None
    boomerang: bool | None


def sweep(ref: ModelRef, spec: ModelSpec, **options: Unpack[SweepOptions]) -> Recipe:
    """A picture, or the frames of a video as soon as something sweeps.

    Raises
    ------
    UsageError
        When an option's value cannot be meant, or two do not fit together.
    """
    thing = _object(spec, options)
    camera = _view(spec, options)
    boomerang = bool(options.get("boomerang"))
    if boomerang and (len(thing.codes) > 1 or len(camera.poses) > 1):
        raise UsageError("--boomerang turns sweeps back, not the rows of --latent or --poses.")
    plan = Sweep(
        object=thing,
        view=camera,
        frames=_frames(thing, camera, options.get("frames")),
        fps=options.get("fps") or DEFAULT_FPS,
        ease=options.get("ease") or "linear",
        boomerang=boomerang,
    )
    return _recipe(ref, spec, plan, options)


class SampleOptions(PictureOptions, total=False):
    """What `sample` takes."""


def sample(
    ref: ModelRef, spec: ModelSpec, n: int, seed: int = 0, **options: Unpack[SampleOptions]
) -> Recipe:
    """Random objects and cameras; picture `k` is the same whatever `n` is.

    Raises
    ------
    UsageError
    """
    plan = Samples(n=n, seed=check_seeds([seed])[0], truncation=_truncation(options))
    return _recipe(ref, spec, plan, options)


class GridOptions(CameraOptions, total=False):
    """What `grid` takes."""


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
        truncation=_truncation(options),
    )
    if _moves(plan.view):
        raise UsageError("A grid has one view; give numbers, not sweeps.")
    return _recipe(ref, spec, plan, options)


def override(
    recipe: Recipe, ref: ModelRef, spec: ModelSpec, **options: Unpack[SweepOptions]
) -> Recipe:
    """A recipe with some of it asked for anew; what is None stays as it is.

    Raises
    ------
    UsageError
        When an option does not fit the kind of recipe, or the rest of it.
    """
    given: SweepOptions = {**options}
    for key in [key for key, value in options.items() if value is None]:
        given.pop(key)  # type: ignore[misc]
    if not given and ref == recipe.model:
        return recipe
    if isinstance(recipe.plan, Sweep):
        merged: SweepOptions = {**_picture(recipe), **_sweep(recipe.plan, given), **given}
        whole = sweep(ref, spec, **merged)
        picked = recipe.frame is not None and recipe.frame < whole.planned
        return replace(whole, frame=recipe.frame if picked else None)
    strange = sorted(given.keys() - PictureOptions.__annotations__.keys())
    if strange:
        raise UsageError(f"--{strange[0]} does not fit a recipe of this kind; leave it out.")
    plan = replace(recipe.plan, truncation=given.get("truncation", recipe.plan.truncation))
    picture: SweepOptions = {**_picture(recipe), **given}
    whole = _recipe(ref, spec, plan, picture)
    return replace(whole, frame=recipe.frame)


def _picture(recipe: Recipe) -> PictureOptions:
    return {
        "size": (recipe.width, recipe.height),
        "samples": recipe.samples,
        "background": recipe.background,
        "show": recipe.show,
        "depth_range": recipe.depth_range,
        "normals": recipe.normals,
    }


def _sweep(plan: Sweep, given: SweepOptions) -> SweepOptions:
    """What a recipe asks for, less what the options given replace by other means."""
    thing, view = plan.object, plan.view
    seeded = given.keys() & {"seed", "shape", "appearance"}
    posed = given.keys() & {"azimuth", "elevation", "radius"}
    counted = given.keys() & {"latents", "poses"}
    asked: SweepOptions = {
        "truncation": thing.truncation,
        "fov": view.fov,
        "fps": plan.fps,
        "ease": plan.ease,
        "boomerang": plan.boomerang,
        "frames": None if counted else plan.frames,
    }
    if thing.codes and not seeded:
        asked["latents"] = thing.codes
    elif not given.keys() & {"seed", "latents"}:
        asked |= {"shape": thing.shape, "appearance": thing.appearance}
    if view.poses and not posed:
        asked["poses"] = view.poses
    elif "poses" not in given:
        asked |= {"azimuth": view.azimuth, "elevation": view.elevation, "radius": view.radius}
    return asked


def _object(spec: ModelSpec, options: SweepOptions) -> Object:
    seed = options.get("seed")
    codes = _rows(options.get("latents"))
    if codes and any(options.get(key) is not None for key in ("seed", "shape", "appearance")):
        raise UsageError("--latent says which object; leave out --seed, --shape, --appearance.")
    if any(len(row) != spec.latent.dim for row in codes):
        raise UsageError(f"The codes of `{spec.name}` have {spec.latent.dim} numbers each.")
    return Object(
        shape=_seeds(options.get("shape"), 0 if seed is None else seed),
        appearance=_seeds(options.get("appearance"), 0 if seed is None else seed),
        truncation=_truncation(options),
        codes=codes,
    )


def _truncation(options: PictureOptions) -> float:
    value = options.get("truncation")
    return 1.0 if value is None else value


def _recipe(ref: ModelRef, spec: ModelSpec, plan: Plan, options: PictureOptions) -> Recipe:
    size = options.get("size") or spec.size
    width, height = check_size((size, size) if isinstance(size, int) else size)
    show = tuple(options.get("show") or ("rgb",))
    depth_range = options.get("depth_range")
    if depth_range is None and SCALED.intersection(show):
        depth_range = (spec.camera.near, spec.camera.far)
    return _checked(
        {
            "graf": __version__,
            "model": ref,
            "plan": plan,
            "width": width,
            "height": height,
            "samples": options.get("samples") or spec.network.samples,
            "background": _background(spec, options.get("background")),
            "show": show,
            "depth_range": depth_range,
            "normals": options.get("normals") or "camera",
        }
    )


def _background(spec: ModelSpec, background: str | None) -> str:
    if background == TRANSPARENT:
        return TRANSPARENT
    return parse_colour(spec.background if background in (None, "model") else background)


def _checked(parts: dict[str, object]) -> Recipe:
    """Apply the bounds of the format, which only reading does."""
    try:
        return msgspec.convert(msgspec.to_builtins(parts), Recipe)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        option = where.rstrip("`").rstrip("[.]0123456789").rpartition(".")[2]
        bound = re.fullmatch(r"Expected `\w+` ([<>]=?) ([-\d.]+)", problem)
        if bound:
            problem = f"It must be {bound[1]} {float(bound[2]):g}"
        raise UsageError(f"--{option}: {problem}." if option else f"{problem}.") from error


def _view(spec: ModelSpec, options: CameraOptions) -> View:
    camera = spec.camera
    poses = _rows(options.get("poses"))
    if poses and any(options.get(key) is not None for key in ("azimuth", "elevation", "radius")):
        raise UsageError(
            "--poses says where the cameras are; leave out --azimuth, --elevation, --radius."
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


def _moves(view: View) -> bool:
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
    moves = _moves(view) or len(thing.shape) > 1 or len(thing.appearance) > 1
    return frames or (DEFAULT_FRAMES if moves else 1)
