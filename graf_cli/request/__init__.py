"""What people ask for becomes a Recipe; what they leave out comes from the model.

The same words serve the command line and the library, and a Recipe can be taken as the starting
point that they override.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from graf_cli.errors import UsageError
from graf_cli.model.spec import features_of
from graf_cli.recipe import (
    DEFAULT_FPS,
    Axis,
    Dataset,
    Grid,
    ModelRef,
    Pinhole,
    Plan,
    Recipe,
    Samples,
    SeedAxis,
    SubjectPath,
    Sweep,
    ViewAxis,
    v1,
)
from graf_cli.request.axes import axis_of
from graf_cli.request.dataset import dataset as dataset
from graf_cli.request.options import CameraOptions as CameraOptions
from graf_cli.request.options import DatasetOptions as DatasetOptions
from graf_cli.request.options import GridOptions as GridOptions
from graf_cli.request.options import PictureOptions as PictureOptions
from graf_cli.request.options import SampleOptions as SampleOptions
from graf_cli.request.options import SweepOptions as SweepOptions
from graf_cli.request.parts import (
    check_sphere,
    frames_of,
    or_else,
    raster_of,
    recipe_of,
    view_of,
)
from graf_cli.request.parts import spiral_of as spiral_of
from graf_cli.request.subject import (
    SHORT,
    counts_of,
    merged,
    nested,
    object_of,
    seeds_of,
    settings_of,
    truncation_of,
)
from graf_cli.request.subject import features_for as features_for
from graf_cli.scene.features import TURN
from graf_cli.scene.intrinsics import Intrinsics, same_shape
from graf_cli.scene.spec import ModelSpec
from graf_cli.syntax import check_seeds


def sweep(ref: ModelRef, spec: ModelSpec, **asked: Any) -> Recipe:
    """A picture, or the frames of a video as soon as something sweeps.

    Takes the fields of `SweepOptions`.

    Raises
    ------
    UsageError
        When an option's value cannot be meant, or two do not fit together.
    """
    options = SweepOptions.of(asked)
    subject = object_of(spec, options)
    camera = view_of(spec, options)
    boomerang = bool(options.get("boomerang"))
    rows = 0 if subject.rows is None else len(subject.rows.values)
    if boomerang and (rows > 1 or len(camera.poses) > 1):
        raise UsageError("⟨boomerang⟩ turns sweeps back, not the rows of ⟨latents⟩ or ⟨poses⟩.")
    plan = Sweep(
        subject=subject,
        view=camera,
        frames=frames_of(subject, camera, options.get("frames")),
        fps=or_else(options.get("fps"), DEFAULT_FPS),
        ease=or_else(options.get("ease"), "linear"),
        boomerang=boomerang,
    )
    return recipe_of(ref, spec, plan, options)


def sample(ref: ModelRef, spec: ModelSpec, n: int, seed: int = 0, **asked: Any) -> Recipe:
    """Random objects and cameras; picture `k` is the same whatever `n` is.

    Takes the fields of `SampleOptions`.

    Raises
    ------
    UsageError
    """
    options = SampleOptions.of(asked)
    check_sphere(spec)
    plan = Samples(
        n=n,
        seed=check_seeds([seed])[0],
        truncation=truncation_of(spec, options),
        controls=settings_of(spec, options),
    )
    return recipe_of(ref, spec, plan, options)


def grid(
    ref: ModelRef,
    spec: ModelSpec,
    shapes: Sequence[int] | None = None,
    appearances: Sequence[int] | None = None,
    **asked: Any,
) -> Recipe:
    """Pictures of everything along one axis with everything along another.

    Parameters
    ----------
    ref : ModelRef
    spec : ModelSpec
    shapes, appearances : sequence of int, optional
        Seeds of the rows and columns, where `rows` and `columns` say nothing else.
    **options
        `rows`, `columns`: a name and its values each, ``columns={"azimuth": (-30, 0, 30)}``.

    Takes the fields of `GridOptions`.

    Raises
    ------
    UsageError
    """
    options = GridOptions.of(asked)
    rows = axis_of(spec, "rows", options, shapes)
    columns = axis_of(spec, "columns", options, appearances)
    twice = sorted(rows.changes & columns.changes)
    if twice:
        raise UsageError(f"⟨rows⟩ and ⟨columns⟩ both change `{twice[0]}`; name something else.")
    plan = Grid(
        rows=rows,
        columns=columns,
        subject=_still(spec, options, (rows, columns)),
        view=view_of(spec, options),
    )
    if plan.view.moves:
        raise UsageError("A grid has one view; give numbers, not sweeps.")
    return recipe_of(ref, spec, plan, options)


def _still(spec: ModelSpec, options: GridOptions, axes: tuple[Axis, Axis]) -> SubjectPath:
    """What the axes leave as it is."""
    seeded = frozenset(name for axis in axes if isinstance(axis, SeedAxis) for name in axis.blocks)
    seeds = seeds_of(spec, options, besides=seeded)
    moving = [name for name, given in seeds.items() if len(given) > 1]
    if moving:
        raise UsageError(f"⟨codes⟩: `{moving[0]}` sweeps; in a grid it takes one seed.")
    settings = settings_of(spec, options)
    for axis in axes:
        said = [name for name in sorted(axis.changes) if name in settings]
        named = (
            [axis.word] if isinstance(axis, ViewAxis) and options.get(axis.word) is not None else []
        )
        if said or named:
            field = "controls" if said else named[0]
            raise UsageError(
                f"An axis of the grid says `{[*said, *named][0]}`; leave out ⟨{field}⟩."
            )
    return SubjectPath(
        seeds=seeds,
        controls={name: (value,) for name, value in settings.items()},
        truncation=truncation_of(spec, options),
    )


def override(recipe: Recipe, ref: ModelRef, spec: ModelSpec, **asked: Any) -> Recipe:
    """A recipe with some of it asked for anew; what is None stays as it is.

    Takes the fields of `SweepOptions`.

    Raises
    ------
    UsageError
        When an option does not fit the kind of recipe, or the rest of it.
    """
    given = SweepOptions.of(asked).said()
    if not given and ref == recipe.model:
        return recipe
    if isinstance(recipe.plan, Sweep):
        base = {
            **_picture(recipe, spec, given),
            **_sweep(recipe.plan, spec, given),
            **_pinholes(recipe, given),
        }
        named = {key: merged(base.get(key), given.get(key)) for key in ("codes", "controls")}
        whole = sweep(ref, spec, **{**base, **given, **named})
        picked = recipe.frame is not None and recipe.frame < whole.planned
        return replace(whole, frame=recipe.frame if picked else None)
    strange = sorted(given.keys() - set(PictureOptions.__struct_fields__))
    if strange:
        raise UsageError(f"⟨{strange[0]}⟩ does not fit a recipe of this kind; leave it out.")
    options = PictureOptions.of({**_picture(recipe, spec, given), **given})
    plan = _changed(recipe.plan, spec, options)
    if isinstance(plan, Grid | Dataset) and plan.view.intrinsics:
        rows = _resized(recipe, plan.view.intrinsics, given)
        plan = replace(plan, view=replace(plan.view, intrinsics=rows))
    return recipe_of(ref, spec, plan, options, recipe.frame)


def _changed(plan: Samples | Grid | Dataset, spec: ModelSpec, given: PictureOptions) -> Plan:
    """A plan with its truncation and its controls anew, as far as they are given."""
    of = plan.subject if isinstance(plan, Grid) else plan
    changes: dict[str, Any] = {}
    if given.get("truncation") is not None:
        changes["truncation"] = truncation_of(spec, given)
    if given.get("controls"):
        own = settings_of(spec, given)
        values = {name: (value,) for name, value in own.items()} if isinstance(plan, Grid) else own
        changes["controls"] = {**of.controls, **values}
    if isinstance(plan, Grid):
        return replace(plan, subject=replace(plan.subject, **changes))
    return replace(plan, **changes)


def _picture(recipe: Recipe, spec: ModelSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    size = (recipe.width, recipe.height)
    coloured = features_of(spec).background == "colour"
    raster = raster_of(spec, size)
    if given.keys() & {"size", "raster"}:
        sized = {}
    elif raster is None:
        sized = {"size": size}
    else:
        sized = {"raster": raster}
    return {
        **sized,
        "samples": recipe.samples,
        "background": recipe.background if recipe.composited or coloured else None,
        "show": recipe.show,
        "depth_range": recipe.depth_range,
        "normals": recipe.normals,
        "jitter": recipe.jitter,
    }


def _pinholes(recipe: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    """A sweep's intrinsics, in the size that is asked for, unless the options replace them."""
    assert isinstance(recipe.plan, Sweep)
    rows = recipe.plan.view.intrinsics
    replaced = {"poses", "intrinsics", "fov"}
    if len(rows) > 1:
        replaced |= {"azimuth", "elevation", "radius"}
    if not rows or given.keys() & replaced:
        return {}
    return {"intrinsics": _resized(recipe, rows, given)}


def _resized(
    recipe: Recipe, rows: tuple[Pinhole, ...], given: Mapping[str, Any]
) -> tuple[Pinhole, ...]:
    """A recipe's intrinsics in pixels of the size that is asked for.

    Raises
    ------
    UsageError
        When that size has other proportions.
    """
    size, asked = (recipe.width, recipe.height), given.get("size") or (recipe.width, recipe.height)
    to = (asked, asked) if isinstance(asked, int) else asked
    if not same_shape(size, to):
        raise UsageError(
            f"The recipe's intrinsics are of {size[0]}x{size[1]} pictures, and ⟨size⟩ "
            f"{to[0]}x{to[1]} has other proportions; give one that scales."
        )
    return rows if size == to else tuple(Intrinsics(*row).scaled(size, to) for row in rows)


def _sweep(plan: Sweep, spec: ModelSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe asks for, less what the options given replace by other means."""
    subject, view = plan.subject, plan.view
    seeded = given.keys() & {"seed", "codes", *SHORT}
    posed = given.keys() & {"azimuth", "elevation", "radius"}
    counted = given.keys() & {"latents", "poses"}
    # Rows that go take their number of frames along; a still that begins to move has as many as
    # any sweep, and one that does not has one.
    counted |= {"poses"} if len(view.poses) > 1 and posed else set()
    still = plan.frames == 1 and not (plan.view.moves or plan.subject.moves)
    features = features_of(spec)
    turns_objects = features.azimuth == "objects"
    replaced = {TURN} if turns_objects and "azimuth" in given else set()
    if features.repeated is not None and "objects" in given:
        replaced.add(features.repeated.control)
    there = _there(spec, subject.controls, given)
    controls = {
        name: values
        for name, values in subject.controls.items()
        if name not in replaced and there(name)
    }
    asked: dict[str, Any] = {
        "truncation": subject.truncation if features.truncation != "none" else None,
        "controls": controls,
        "fov": None if view.intrinsics else view.fov,
        "fps": plan.fps,
        "ease": plan.ease,
        "boomerang": plan.boomerang,
        "frames": None if counted or still else plan.frames,
    }
    if subject.rows is not None and not seeded | (given.keys() & {"latents"}):
        asked |= {"latents": nested(subject.rows), "space": subject.rows.space}
    elif not given.keys() & {"seed", "latents"}:
        idle = {block for block in subject.seeds if v1.idle(block, features)}
        asked["codes"] = {
            block: seeds
            for block, seeds in subject.seeds.items()
            if block not in idle and given.get(block) is None and there(block)
        }
        if len(shared := {*subject.seeds.values()}) == 1:
            [asked["seed"]] = shared  # of further objects too
    if view.poses and not posed:
        asked["poses"] = view.poses
    elif "poses" not in given:
        asked |= {"elevation": view.elevation, "radius": view.radius}
        if not turns_objects:
            asked["azimuth"] = view.azimuth
    return asked


def _there(
    spec: ModelSpec, controls: Mapping[str, Sequence[float]], given: Mapping[str, Any]
) -> Callable[[str], bool]:
    """Whether what a name of a recipe belongs to is still there, when fewer are asked for now."""
    features = features_of(spec)
    own = {key: value for key in ("objects", "controls") if (value := given.get(key)) is not None}
    count = features.count({**controls, **counts_of(spec, SweepOptions.of(own))})

    def there(name: str) -> bool:
        number = features.number(name)
        return number is None or count is None or number < count

    return there
