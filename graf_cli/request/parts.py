"""The parts of a Recipe, from what people say of them and what the model says."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from graf_cli.decoding import convert
from graf_cli.errors import UsageError
from graf_cli.model.spec import features_of
from graf_cli.recipe import (
    SCALED,
    TRANSPARENT,
    ModelRef,
    Pinhole,
    Plan,
    Recipe,
    Row,
    SubjectPath,
    View,
    values_of,
)
from graf_cli.request.options import CameraOptions, PictureOptions
from graf_cli.request.subject import jitter_of
from graf_cli.scene import llff
from graf_cli.scene.features import told
from graf_cli.scene.spec import ModelSpec
from graf_cli.syntax import check_size, parse_colour
from graf_cli.version import __version__

DEFAULT_FRAMES = 120
LEAST_RASTER = 2  # along a side: a blur reflects the pixel beside the border
AHEAD: Row = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0)  # the average camera
T = TypeVar("T")


def or_else(value: T | None, default: T) -> T:
    """The value, unless nothing was said; 0 and nothing at all are values, to be refused."""
    return default if value is None else value


def recipe_of(
    ref: ModelRef,
    spec: ModelSpec,
    plan: Plan,
    options: PictureOptions,
    frame: int | None = None,
) -> Recipe:
    """A plan with how its pictures look, or one picture of it.

    Raises
    ------
    UsageError
    """
    width, height = _size(spec, options)
    show = tuple(or_else(options.get("show"), ("rgb",)))
    _check_shown(spec, show)
    depth_range = options.get("depth_range")
    if depth_range is None and SCALED.intersection(show):
        depth_range = (spec.camera.near, spec.camera.far)
    background, composited = _background(spec, plan, options.get("background"))
    features = features_of(spec)
    return _checked(
        {
            "graf": __version__,
            "model": ref,
            "plan": plan,
            "width": width,
            "height": height,
            "samples": or_else(options.get("samples"), features.samples),
            "marched": features.surface,
            "background": background,
            "composited": composited,
            "show": show,
            "depth_range": depth_range,
            "normals": or_else(options.get("normals"), "camera"),
            "jitter": jitter_of(spec, options),
            "frame": frame,
        }
    )


def _size(spec: ModelSpec, options: PictureOptions) -> tuple[int, int]:
    """Pixels of a picture: as asked, or as many as a 2-D network makes of its map.

    Raises
    ------
    UsageError
    """
    features, asked = features_of(spec), _pair(options.get("size"))
    own, raster = (spec.size, spec.height or spec.size), _pair(options.get("raster"))
    if raster is None:
        width, height = check_size(own if asked is None else asked)
        _check_sizes(spec, width, height)
        return width, height
    if features.raster is None or features.sizes is None:
        instead = "⟨size⟩ says how many pixels" if features.sizes is None else "its size is fixed"
        raise UsageError(f"`{spec.name}` paints no map of another size; {instead}.")
    ratio = features.sizes[0] // features.raster
    if min(raster) < LEAST_RASTER:
        raise UsageError(f"⟨raster⟩ {raster[0]}x{raster[1]} is too small; give {LEAST_RASTER} on.")
    width, height = check_size((raster[0] * ratio, raster[1] * ratio))
    if asked not in (None, (width, height)):
        raise UsageError(
            f"⟨raster⟩ makes pictures of {width}x{height} pixels here; leave out ⟨size⟩."
        )
    return width, height


def _pair(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    return (size, size) if isinstance(size, int) else size


def raster_of(spec: ModelSpec, size: tuple[int, int]) -> tuple[int, int] | None:
    """The map of which a picture of another size than the model's is painted."""
    features = features_of(spec)
    if features.raster is None or features.sizes is None or size == (spec.size, spec.size):
        return None
    ratio = features.sizes[0] // features.raster
    return size[0] // ratio, size[1] // ratio


def _check_sizes(spec: ModelSpec, width: int, height: int) -> None:
    features = features_of(spec)
    sizes = features.sizes
    if sizes is not None and (width != height or width not in sizes):
        there = " or ".join(f"{size}x{size}" for size in sizes)
        other = f", or ask for another map than {features.raster}x{features.raster} by ⟨raster⟩"
        raise UsageError(
            f"`{spec.name}` paints its pictures with a 2-D network, at {there} alone; "
            f"leave out ⟨size⟩{other if features.raster else ''}."
        )


def _check_shown(spec: ModelSpec, show: Sequence[str]) -> None:
    shows = features_of(spec).shows
    for kind in show:
        if kind not in shows:
            raise UsageError(f"⟨show⟩: `{spec.name}` has no {kind}; it has {told(sorted(shows))}.")


def _background(spec: ModelSpec, plan: Plan, background: str | None) -> tuple[str, bool]:
    """The colour behind a picture, and whether it is composited under one that the model paints.

    Raises
    ------
    UsageError
    """
    own = parse_colour(spec.background)
    if background in (None, "model"):
        return own, False
    assert background is not None
    colour = background if background == TRANSPARENT else parse_colour(background)
    features = features_of(spec)
    if features.background == "colour":
        _check_seen(spec, plan, colour)
        return colour, False
    if features.behind is not None and _always(plan, features.behind, 0, default=None):
        return colour, True
    if colour == own:
        return own, False
    instead = f", or add ⟨controls⟩ {features.behind}=off"
    raise UsageError(
        f"`{spec.name}` paints a background of its own, so that it can neither have a colour "
        f"nor be transparent; leave out ⟨background⟩{instead if features.behind else ''}."
    )


def _check_seen(spec: ModelSpec, plan: Plan, colour: str) -> None:
    """Refuse a colour that the model hides behind one of its own, in all pictures."""
    features = features_of(spec)
    control = None if features.backdrop is None else features.control(features.backdrop)
    if control is None or colour in (TRANSPARENT, parse_colour(spec.background)):
        return
    if _always(plan, control.name, control.high, default=control.default):
        raise UsageError(
            f"⟨background⟩ {colour} would not be seen: `{spec.name}` colours what rays miss "
            f"(its control `{control.name}`); leave it out, or set that control to 0 as well."
        )


def _always(plan: Plan, control: str, value: float, *, default: float | None) -> bool:
    """Whether a control has a value in every picture of a plan."""
    values = values_of(plan).get(control, () if default is None else (default,))
    return bool(values) and all(one == value for one in values)


def _checked(parts: dict[str, object]) -> Recipe:
    """Apply the bounds of the format, which only reading does."""
    try:
        return convert(msgspec.to_builtins(parts), Recipe)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        option = where.rstrip("`").rstrip("[.]0123456789").rpartition(".")[2]
        bound = re.fullmatch(r"Expected `\w+` ([<>]=?) ([-\d.]+)", problem)
        if bound:
            problem = f"It must be {bound[1]} {float(bound[2]):g}"
        raise UsageError(f"⟨{option}⟩: {problem}." if option else f"{problem}.") from error


def view_of(spec: ModelSpec, options: CameraOptions) -> View:
    """Where it is seen from; the middle of the training range where nothing is said.

    Raises
    ------
    UsageError
    """
    camera = spec.camera
    poses = _rows(options.get("poses"))
    if poses and any(options.get(key) is not None for key in ("azimuth", "elevation", "radius")):
        raise UsageError(
            "⟨poses⟩ says where the cameras are; leave out ⟨azimuth⟩, ⟨elevation⟩, ⟨radius⟩."
        )
    lenses = _pinholes(spec, options)
    # Where it turns the objects it is a control, and the camera stays where it was in training.
    turns_objects = features_of(spec).azimuth == "objects"
    azimuth = None if turns_objects else options.get("azimuth")
    if features_of(spec).cameras == "front" and not poses:
        _check_front(spec, options)
        poses = (AHEAD,)
    return View(
        azimuth=_keyframes(azimuth, _middle(camera.azimuth)),
        elevation=_keyframes(options.get("elevation"), _middle(camera.elevation)),
        radius=_keyframes(options.get("radius"), _middle(camera.radius)),
        fov=_keyframes(options.get("fov"), camera.fov),
        poses=poses,
        intrinsics=lenses,
    )


def _check_front(spec: ModelSpec, options: CameraOptions) -> None:
    for key in ("azimuth", "elevation", "radius"):
        if options.get(key) is not None:
            raise UsageError(
                f"`{spec.name}` is a scene that cameras stand in front of; ⟨{key}⟩ has no meaning "
                "there: give ⟨poses⟩, such as the poses_bounds.npy of its data, or ⟨path⟩ spiral."
            )


def check_sphere(spec: ModelSpec) -> None:
    """Refuse to draw cameras of a model that has no sphere of them.

    Raises
    ------
    UsageError
    """
    if features_of(spec).cameras == "front":
        raise UsageError(
            f"`{spec.name}` is a scene that cameras stand in front of, and has no range to draw "
            "them from; use `graf render` with ⟨poses⟩ or ⟨path⟩."
        )


def spiral_of(spec: ModelSpec, frames: int | None = None) -> list[list[float]]:
    """Poses on the spiral of a forward-facing scene, two turns, 120 unless `frames` says more.

    Raises
    ------
    UsageError
        When the model has none.
    """
    swing = features_of(spec).spiral
    if swing is None:
        raise UsageError(
            f"`{spec.name}` has no spiral, which only forward-facing scenes have; sweep ⟨azimuth⟩."
        )
    *radii, focus = swing
    x, y, z = radii
    poses = llff.spiral(llff.Swing((x, y, z), focus), views=frames or llff.VIEWS)
    rows: list[list[float]] = poses.reshape(-1, 12).tolist()
    return rows


def _pinholes(spec: ModelSpec, options: CameraOptions) -> tuple[Pinhole, ...]:
    rows = _rows(options.get("intrinsics"))
    if not rows:
        return ()
    if spec.camera.orthographic:
        raise UsageError(f"`{spec.name}` has parallel rays; leave out ⟨intrinsics⟩.")
    if options.get("fov") is not None:
        raise UsageError("⟨intrinsics⟩ says the field of view; leave out ⟨fov⟩.")
    if len(rows) not in (1, len(options.get("poses") or ())):
        raise UsageError(
            f"⟨intrinsics⟩ has {len(rows)} rows and ⟨poses⟩ {len(options.get('poses') or ())}; "
            "give one, or one a pose."
        )
    if any(len(row) != 4 or not all(map(math.isfinite, row)) or min(row[:2]) <= 0 for row in rows):
        raise UsageError(
            "⟨intrinsics⟩ takes rows of fx, fy, cx, cy in pixels, with focal lengths above 0."
        )
    return tuple((fx, fy, cx, cy) for fx, fy, cx, cy in rows)


def _middle(bounds: tuple[float, float]) -> float:
    return (bounds[0] + bounds[1]) / 2


def _keyframes(value: float | Sequence[float] | None, default: float) -> tuple[float, ...]:
    if value is None:
        return (default,)
    values = tuple(map(float, value if isinstance(value, Sequence) else (value,)))
    if not values or not all(map(math.isfinite, values)):
        raise UsageError("A sweep takes one or more finite numbers.")
    return values


def _rows(rows: Sequence[Sequence[float]] | None) -> tuple[Row, ...]:
    return tuple(tuple(map(float, row)) for row in rows) if rows is not None else ()


def frames_of(subject: SubjectPath, view: View, frames: int | None) -> int:
    """How many pictures rows of files or sweeps make.

    Raises
    ------
    UsageError
    """
    codes = () if subject.rows is None else subject.rows.values
    rows = {len(rows) for rows in (codes, view.poses) if len(rows) > 1}
    if len(rows) > 1:
        raise UsageError(
            f"⟨latents⟩ has {len(codes)} rows and ⟨poses⟩ {len(view.poses)}; "
            "they pair up one to one, or one row serves all."
        )
    if rows:
        count = rows.pop()
        if frames not in (None, count):
            raise UsageError(f"⟨frames⟩ {frames} does not fit the {count} rows of the file.")
        return count
    return or_else(frames, DEFAULT_FRAMES if view.moves or subject.moves else 1)
