"""What people ask for becomes a Recipe; what they leave out comes from the model.

The same words serve the command line and the library, and a Recipe can be taken as the starting
point that they override.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from msgspec.structs import replace

from graf_cli.errors import UsageError
from graf_cli.model.spec import features_of
from graf_cli.recipe import DEFAULT_FPS, Grid, ModelRef, Recipe, Samples, Sweep
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
    moves,
    object_of,
    or_else,
    recipe_of,
    truncation_of,
    view_of,
)
from graf_cli.request.parts import spiral_of as spiral_of
from graf_cli.scene.intrinsics import Intrinsics, same_shape
from graf_cli.scene.spec import ModelSpec
from graf_cli.syntax import check_seeds


def sweep(ref: ModelRef, spec: ModelSpec, **options: Unpack[SweepOptions]) -> Recipe:
    """A picture, or the frames of a video as soon as something sweeps.

    Raises
    ------
    UsageError
        When an option's value cannot be meant, or two do not fit together.
    """
    thing = object_of(spec, options)
    camera = view_of(spec, options)
    boomerang = bool(options.get("boomerang"))
    if boomerang and (len(thing.codes) > 1 or len(camera.poses) > 1):
        raise UsageError("⟨boomerang⟩ turns sweeps back, not the rows of ⟨latents⟩ or ⟨poses⟩.")
    plan = Sweep(
        object=thing,
        view=camera,
        frames=frames_of(thing, camera, options.get("frames")),
        fps=or_else(options.get("fps"), DEFAULT_FPS),
        ease=or_else(options.get("ease"), "linear"),
        boomerang=boomerang,
    )
    return recipe_of(ref, spec, plan, options)


def sample(
    ref: ModelRef, spec: ModelSpec, n: int, seed: int = 0, **options: Unpack[SampleOptions]
) -> Recipe:
    """Random objects and cameras; picture `k` is the same whatever `n` is.

    Raises
    ------
    UsageError
    """
    check_sphere(spec)
    plan = Samples(n=n, seed=check_seeds([seed])[0], truncation=truncation_of(options))
    return recipe_of(ref, spec, plan, options)


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
    if features_of(spec).length == 0:
        raise UsageError(f"`{spec.name}` is one scene, without codes to make a grid of.")
    plan = Grid(
        shapes=check_seeds(shapes),
        appearances=check_seeds(appearances),
        view=view_of(spec, options),
        truncation=truncation_of(options),
    )
    if moves(plan.view):
        raise UsageError("A grid has one view; give numbers, not sweeps.")
    return recipe_of(ref, spec, plan, options)


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
        merged: SweepOptions = {
            **_picture(recipe), **_sweep(recipe.plan, given), **_pinholes(recipe, given), **given
        }  # fmt: skip
        whole = sweep(ref, spec, **merged)
        picked = recipe.frame is not None and recipe.frame < whole.planned
        return replace(whole, frame=recipe.frame if picked else None)
    strange = sorted(given.keys() - PictureOptions.__annotations__.keys())
    if strange:
        raise UsageError(f"⟨{strange[0]}⟩ does not fit a recipe of this kind; leave it out.")
    plan = replace(recipe.plan, truncation=given.get("truncation", recipe.plan.truncation))
    picture: SweepOptions = {**_picture(recipe), **given}
    whole = recipe_of(ref, spec, plan, picture)
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


def _pinholes(recipe: Recipe, given: SweepOptions) -> SweepOptions:
    """The recipe's intrinsics, in the size that is asked for, unless the options replace them."""
    assert isinstance(recipe.plan, Sweep)
    rows = recipe.plan.view.intrinsics
    replaced = {"poses", "intrinsics", "fov"}
    if len(rows) > 1:
        replaced |= {"azimuth", "elevation", "radius"}
    if not rows or given.keys() & replaced:
        return {}
    size, asked = (recipe.width, recipe.height), given.get("size") or (recipe.width, recipe.height)
    to = (asked, asked) if isinstance(asked, int) else asked
    if not same_shape(size, to):
        raise UsageError(
            f"The recipe's intrinsics are of {size[0]}x{size[1]} pictures, and --size "
            f"{to[0]}x{to[1]} has other proportions; give a size that scales, or --fov."
        )
    if size == to:
        return {"intrinsics": rows}
    return {"intrinsics": [Intrinsics(*row).scaled(size, to) for row in rows]}


def _sweep(plan: Sweep, given: SweepOptions) -> SweepOptions:
    """What a recipe asks for, less what the options given replace by other means."""
    thing, view = plan.object, plan.view
    seeded = given.keys() & {"seed", "shape", "appearance"}
    posed = given.keys() & {"azimuth", "elevation", "radius"}
    counted = given.keys() & {"latents", "poses"}
    asked: SweepOptions = {
        "truncation": thing.truncation,
        "fov": None if view.intrinsics else view.fov,
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
