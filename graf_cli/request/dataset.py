"""What people ask of a data set becomes a Recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from graf_cli.errors import UsageError
from graf_cli.model.spec import features_of
from graf_cli.recipe import MAX_FRAMES, Dataset, ModelRef, Recipe, Split, View
from graf_cli.request.options import CameraChoice, CameraOptions, DatasetOptions
from graf_cli.request.parts import check_sphere, or_else, recipe_of, view_of
from graf_cli.request.subject import settings_of, truncation_of
from graf_cli.scene.spec import ModelSpec
from graf_cli.syntax import check_seeds, check_split

DEFAULT_VIEWS = 24
NERFSTUDIO_UNIT = 1e-3  # of a step of depth, which nerfstudio takes unless it is told another
DEEPEST = 65535  # steps of a depth picture
FEWEST = (
    500  # steps from near to far; at 240, a face's depth is off by a tenth of a pixel elsewhere
)


def dataset(
    ref: ModelRef,
    spec: ModelSpec,
    n: int,
    views: int | None = None,
    seed: int = 0,
    **asked: Any,
) -> Recipe:
    """A posed data set: `n` random objects, each from `views` cameras.

    Takes the fields of `DatasetOptions`.

    Raises
    ------
    UsageError
    """
    options = DatasetOptions.of(asked)
    if spec.camera.orthographic:
        raise UsageError(
            f"`{spec.name}` has parallel rays, which transforms.json cannot tell; "
            "use a model with a field of view."
        )
    if any(options.get(key) is not None for key in ("show", "depth_range", "normals")):
        raise UsageError(
            "A data set holds images, depth and opacity; "
            "leave out ⟨show⟩, ⟨depth_range⟩ and ⟨normals⟩."
        )
    usual: CameraChoice = "model" if options.get("poses") is None else "poses"
    cameras = or_else(options.get("cameras"), usual)
    view = _rig(spec, cameras, options)
    views = _views(views, cameras, view, features_of(spec).azimuth)
    if n * views > MAX_FRAMES:
        raise UsageError(
            f"{n:,} objects of {views:,} views are too many; use up to {MAX_FRAMES:,}."
        )
    if n > 1 and not features_of(spec).blocks:
        raise UsageError(f"`{spec.name}` has no codes, it shows one scene; give 1 as ⟨n⟩.")
    split = check_split(or_else(options.get("split"), (("train", 1.0),)))
    plan = Dataset(
        objects=n,
        views=views,
        seed=check_seeds([seed])[0],
        cameras=cameras,
        view=view,
        splits=tuple(Split(name=name, share=share) for name, share in split),
        depth_unit=_depth_unit(spec, view),
        tar_size=options.get("tar_size"),
        truncation=truncation_of(spec, options),
        controls=settings_of(spec, options),
        annotations=_annotations(spec, options),
        labels=_labels(options),
    )
    return recipe_of(ref, spec, plan, options)


def _annotations(spec: ModelSpec, options: DatasetOptions) -> Literal["coco"] | None:
    given: Literal["coco"] | None = options.get("annotations")
    if given is None:
        return None
    if features_of(spec).repeated is None:
        raise UsageError(f"`{spec.name}` shows one object without a box; leave out ⟨annotations⟩.")
    if options.get("tar_size") is not None:
        raise UsageError(
            "⟨annotations⟩ are one file about a folder of pictures; leave them out of tars, whose "
            "members tell of their objects."
        )
    if options.get("labels"):
        raise UsageError("⟨labels⟩ stand beside pictures alone; leave out ⟨annotations⟩.")
    return given


def _labels(options: DatasetOptions) -> bool:
    if options.get("labels") and options.get("tar_size") is not None:
        raise UsageError("⟨labels⟩ are a file about a folder of pictures; leave out ⟨tar_size⟩.")
    return bool(options.get("labels"))


def _rig(spec: ModelSpec, cameras: CameraChoice, options: DatasetOptions) -> View:
    """Where the cameras may stand; the ranges are the model's where nothing is said."""
    poses, camera = options.get("poses"), spec.camera
    if (cameras == "poses") != (poses is not None):
        raise UsageError("⟨poses⟩ and ⟨cameras⟩ poses go together; give both, or the file alone.")
    asked: dict[str, Any] = {
        "azimuth": options.get("azimuth"),
        "elevation": options.get("elevation"),
        "radius": options.get("radius"),
        "fov": options.get("fov"),
        "poses": poses,
        "intrinsics": options.get("intrinsics"),
    }
    if cameras != "poses":
        check_sphere(spec)
        asked["azimuth"] = _or(asked["azimuth"], camera.azimuth)
    if cameras in ("model", "cap"):
        asked["elevation"] = _or(asked["elevation"], camera.elevation)
    if cameras == "model":
        asked["radius"] = _or(asked["radius"], camera.radius)
    view = view_of(spec, CameraOptions.of(asked))
    _check(cameras, view)
    return view


def _or(
    asked: float | Sequence[float] | None, bounds: tuple[float, float]
) -> float | Sequence[float]:
    if asked is not None:
        return asked
    return bounds if bounds[0] < bounds[1] else bounds[0]


def _check(cameras: CameraChoice, view: View) -> None:
    if len(view.fov) > 1:
        raise UsageError("A data set has one field of view; give ⟨fov⟩ one number.")
    if cameras == "cap" and len(view.radius) > 1:
        raise UsageError("A cap is of one sphere; give ⟨radius⟩ one number.")
    if cameras not in ("model", "cap"):
        return
    for key in ("azimuth", "elevation", "radius"):
        ends = getattr(view, key)
        if len(ends) > 2 or ends[0] > ends[-1]:
            raise UsageError(f"⟨{key}⟩ is a range here; write its lower end first, as `from:to`.")


def _views(views: int | None, cameras: CameraChoice, view: View, turns: str) -> int:
    if cameras != "poses":
        # Where cameras do not go around and have nowhere else to go, one has seen it all.
        return or_else(views, 1 if turns == "objects" and not view.moves else DEFAULT_VIEWS)
    if views not in (None, len(view.poses)):
        raise UsageError(f"⟨views⟩ {views} does not fit the {len(view.poses)} rows of ⟨poses⟩.")
    return len(view.poses)


def _depth_unit(spec: ModelSpec, view: View) -> float:
    """That of nerfstudio, unless 16 bits do not reach as far or would tell too little."""
    eyes = [math.dist(row[3::4], (0, 0, 0)) for row in view.poses]
    farthest = spec.camera.far + max(0.0, max(eyes or view.radius) - spec.camera.radius[1])
    between = spec.camera.far - spec.camera.near
    if 1 <= farthest <= NERFSTUDIO_UNIT * DEEPEST and between >= NERFSTUDIO_UNIT * FEWEST:
        return NERFSTUDIO_UNIT
    return float(f"1e{math.ceil(math.log10(farthest / DEEPEST))}")
