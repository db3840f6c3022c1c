"""What is dropped onto a page, or named on the command line, becomes a ViewState or a Film.

Files come from strangers: their kinds are told by their content, sizes are bounded before they
get here, and no name or address inside of them is followed.
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from graf_cli.arrays import read_arrays
from graf_cli.errors import GrafError, RecipeError, UsageError
from graf_cli.model.spec import features_of
from graf_cli.output.provenance import reading
from graf_cli.output.provenance.stamp import RECIPE_KEY
from graf_cli.recipe import Dataset, Grid, Recipe, Rows, Samples, SubjectPath, Sweep, View
from graf_cli.scene.codes import drawn_seed, read_rows
from graf_cli.scene.features import TURN, Features
from graf_cli.scene.files import read_json
from graf_cli.scene.poses import read_poses
from graf_cli.scene.spec import ModelSpec
from graf_cli.shots import Pace, Shots, at, grid_subject, grid_view, path_controls, sample_draw
from graf_cli.viewer.state import MOST_FRAMES, MOST_KEYS, Film, Key, Mix, ViewState

MOST_ROWS = 4096  # objects of a file of codes that a page lists
POSE_KEYS = {"camera_path", "frames"}  # of JSON that holds cameras


@dataclass(frozen=True)
class Brought:
    """What a file holds.

    Attributes
    ----------
    model : str or None
        The recipe's own; None where the file is for any.
    state : ViewState or None
    film : Film or None
    states : tuple of ViewState
        Of codes or cameras, one a row.
    """

    model: str | None = None
    state: ViewState | None = None
    film: Film | None = None
    states: tuple[ViewState, ...] = ()


def recipe_in(path: Path) -> Recipe | None:
    """The recipe that a file carries; None where it carries none.

    Raises
    ------
    RecipeError
        When it is damaged, or its recipe cannot be used.
    """
    if path.suffix.lower() == ".npy" or _holds_cameras(path):
        return None
    found = reading.read(path)
    if found.kind == "npz" and RECIPE_KEY not in found.entries:
        return None
    return found.recipe(path.name)


def _holds_cameras(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    try:
        return bool(POSE_KEYS & read_json(path).keys())
    except UsageError:
        return False


# recipes


def from_recipe(recipe: Recipe, spec: ModelSpec) -> Brought:
    """What a recipe shows: a picture is a view state, a sweep a film, of others the first picture.

    Raises
    ------
    RecipeError
        When a page cannot show it.
    """
    if recipe.export is not None:
        recipe = replace(recipe, export=None)
    Shots(recipe, spec)  # whether it is of this model
    plan = recipe.plan
    if isinstance(plan, Sweep) and len(recipe) > 1:
        film = _film(recipe, plan, features_of(spec))
        return Brought(recipe.model.name, film.keys[0].state, film)
    return Brought(recipe.model.name, _picture_state(recipe, spec, recipe.frame or 0))


def _picture_state(recipe: Recipe, spec: ModelSpec, k: int) -> ViewState:
    """Picture `k` of a recipe."""
    features, plan = features_of(spec), recipe.plan
    drawn = _drawn(recipe)
    match plan:
        case Sweep():
            pace = Pace.of(plan)
            return replace(
                drawn,
                **_subject(plan.subject, features, k, pace),
                **_view(plan.view, k, pace, features),
            )
        case Grid():
            pace = Pace(1)
            return replace(
                drawn,
                **_subject(grid_subject(plan, k), features, 0, pace),
                **_view(grid_view(plan, k), 0, pace, features),
            )
        case Samples():
            one = sample_draw(plan, spec.camera, k)
            view: dict[str, Any] = {"azimuth": one.azimuth, "elevation": one.elevation}
            view["radius"], seed = one.radius, one.seed
        case Dataset():
            camera = Shots(recipe, spec)[0].camera
            view = {"pose": tuple(map(float, camera.pose.ravel()))}
            if camera.intrinsics is not None:
                view["lens"] = tuple(camera.intrinsics)
            else:
                view["fov"] = camera.fov
            seed = drawn_seed(plan.seed, k // plan.views)
    codes = {block.name: Mix(seeds=(seed,)) for block in features.blocks}
    controls = {**plan.controls}
    return replace(drawn, codes=codes, controls=controls, truncation=_cut(plan, features), **view)


def _drawn(recipe: Recipe) -> ViewState:
    return ViewState(
        size=(recipe.width, recipe.height),
        show=recipe.show,
        background=recipe.background,
        samples=recipe.samples,
        depth_range=recipe.depth_range,
        normals=recipe.normals,
        jitter=recipe.jitter,
        exact=recipe.exact,
        precision=recipe.precision,
    )


def _cut(plan: Any, features: Features) -> float | None:
    return None if features.truncation == "none" else plan.truncation


def _subject(path: SubjectPath, features: Features, k: int, pace: Pace) -> dict[str, Any]:
    told: dict[str, Any] = {
        "controls": path_controls(path, features, k, pace),
        "truncation": _cut(path, features),
    }
    if path.rows is not None:
        values = path.rows.values
        return {**told, "rows": replace(path.rows, values=(values[k if len(values) > 1 else 0],))}
    codes = {}
    for block in features.blocks:
        seeds = path.seeds[block.name]
        segment, t = pace.segment(len(seeds), k)
        if t > 0 and features.spaces != ("z",):
            raise RecipeError(
                "This picture is between two seeds of a model that mixes them in a space of its "
                "own, which a page cannot; draw it again with `graf replay`."
            )
        pair = seeds[segment : segment + 2] if t > 0 else seeds[segment : segment + 1]
        codes[block.name] = Mix(seeds=pair, at=(t, 0.0))
    return {**told, "codes": codes}


def _view(view: View, k: int, pace: Pace, features: Features) -> dict[str, Any]:
    lens = view.intrinsics[k if len(view.intrinsics) > 1 else 0] if view.intrinsics else None
    fov = None if lens else at(view.fov, k, pace)
    if view.poses:
        return {"pose": view.poses[k if len(view.poses) > 1 else 0], "lens": lens, "fov": fov}
    azimuth = at(view.azimuth, k, pace, turns=True)
    return {
        # Where it turns the objects, the camera's own is the model's, and the turn is a control.
        "azimuth": None if features.azimuth == "objects" else azimuth,
        "elevation": at(view.elevation, k, pace),
        "radius": at(view.radius, k, pace),
        "fov": fov,
        "lens": lens,
    }


def _film(recipe: Recipe, plan: Sweep, features: Features) -> Film:
    """Keyframes at equal distances, which all of the sweeps have or can be cut at."""
    if len(recipe) > MOST_FRAMES:
        raise RecipeError(f"A page's timeline has at most {MOST_FRAMES:,} frames.")
    subject, view = plan.subject, plan.view
    if subject.rows is not None and len(subject.rows.values) > 1:
        raise RecipeError("This video has codes for every frame, which a page cannot take apart.")
    swept = [*subject.seeds.values(), *subject.controls.values()]
    swept += [view.azimuth, view.elevation, view.radius, view.fov]
    gaps = math.lcm(*(len(values) - 1 for values in swept if len(values) > 1), 1)
    uneven = any(len(seeds) - 1 not in (0, gaps) for seeds in subject.seeds.values())
    smooth = plan.ease == "smooth" and gaps > 1
    if gaps >= MOST_KEYS or uneven or smooth:
        raise RecipeError("This video's keyframes are not those of one timeline.")
    last = {"poses": (), "intrinsics": ()}
    pace, still = Pace(gaps + 1), replace(view, **last)
    keys = []
    for k in range(gaps + 1):
        state = replace(
            _drawn(recipe),
            **_subject(subject, features, k, pace),
            **_view(still, k, pace, features),
        )
        turned = _ends(subject, view, features, state) if k == gaps else state
        keys.append(Key(at=k / gaps, state=turned, ease=plan.ease))
    return Film(
        keys=tuple(keys), frames=plan.frames, fps=plan.fps, poses=view.poses if len(view.poses) > 1
        else (), lenses=view.intrinsics if len(view.poses) > 1 else (),
        size=(recipe.width, recipe.height), boomerang=plan.boomerang,
    )  # fmt: skip


def _ends(subject: SubjectPath, view: View, features: Features, state: ViewState) -> ViewState:
    """The last keyframe, whose whole turns `at` stops short of."""
    controls = {**state.controls}
    if TURN in subject.controls:
        controls[TURN] = subject.controls[TURN][-1]
    if features.azimuth == "objects":
        return replace(state, controls=controls)
    return replace(state, controls=controls, azimuth=view.azimuth[-1])


# codes and cameras


def from_arrays(path: Path, spec: ModelSpec) -> Brought:
    """Codes or cameras of a file without a recipe; the current model says which they can be.

    Raises
    ------
    UsageError
        When it holds neither.
    """
    features = features_of(spec)
    problems = []
    if path.suffix.lower() != ".json" and features.blocks:
        try:
            rows = read_rows(path, features)[:MOST_ROWS]
            states = (
                ViewState(rows=Rows(values=(tuple(float(str(x)) for x in row.astype(np.float32)),)))
                for row in rows
            )
            return Brought(states=tuple(states))
        except (GrafError, ValueError, zipfile.BadZipFile) as error:
            problems.append(str(error))
    try:
        return _cameras(path, spec)
    except GrafError as error:
        problems.append(str(error))
    if path.suffix.lower() in (".npz", ".npy") and problems:
        arrays = read_arrays(path)
        shapes = ", ".join(f"`{name}` {array.shape}" for name, array in arrays.items())
        raise UsageError(f"{path.name} holds {shapes}: neither codes nor cameras of {spec.name}.")
    raise UsageError(problems[-1])


def _cameras(path: Path, spec: ModelSpec) -> Brought:
    poses = read_poses(path, None, features_of(spec).llff)
    size = poses.size
    lenses = tuple((*lens,) for lens in poses.intrinsics) if not spec.camera.orthographic else ()
    states = tuple(
        ViewState(
            pose=tuple(row),
            lens=lenses[k if len(lenses) > 1 else 0] if lenses and size else None,
            fov=poses.fov,
            size=size,
        )
        for k, row in enumerate(poses.rows)
    )
    if 1 < len(states) <= MOST_FRAMES:
        film = Film(
            keys=(Key(at=0, state=states[0]),), frames=len(states), fps=poses.fps or 30.0,
            poses=tuple(state.pose for state in states if state.pose is not None),
            lenses=lenses if size else (), size=size,
        )  # fmt: skip
        return Brought(state=states[0], film=film, states=states)
    return Brought(state=states[0], states=states)
