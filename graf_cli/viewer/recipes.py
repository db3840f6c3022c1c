"""A ViewState or a Film becomes a Recipe, by the very options that a command line has.

What is asked for is a mapping by the names of `graf_cli.request.options.SweepOptions`: the recipe
is made of it, and so is the command line (`graf_cli.viewer.line`), which therefore both draw the
same. Codes between seeds have no such option; they are rows of numbers in z.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor

from graf_cli.jobs import drawn_as
from graf_cli.model.spec import features_of
from graf_cli.opening import Opened
from graf_cli.recipe import Pinhole, Recipe, Rows
from graf_cli.rendering.renderer import RenderOptions
from graf_cli.request import sweep
from graf_cli.request.subject import nested
from graf_cli.scene.codes import Code, along_great_circle, draw, split
from graf_cli.scene.features import Features
from graf_cli.scene.intrinsics import Intrinsics
from graf_cli.viewer.state import Film, Key, Mix, ViewState, time_of

Asked = dict[str, Any]

FOV_DIGITS = 4  # of degrees, as a command line has them
VIEW = ("azimuth", "elevation", "radius", "fov")
TURN = 360.0
EVEN = 1e-9  # of a film, by which keyframes at equal distances may miss them
FIRST = Mix(seeds=(0,))  # of a block of which nothing is said


# one picture


def asked_of(state: ViewState, features: Features, size: tuple[int, int]) -> Asked:
    """What a view state asks for, at the size of a window or of `ViewState.size`.

    Parameters
    ----------
    state : ViewState
    features : Features
        Of the model.
    size : (int, int)
        Of the picture, pixels; where the view state has a size, of the same proportions.
    """
    asked = _drawn(state, size)
    asked |= _subject(state, features)
    if state.pose is not None:
        asked["poses"] = [state.pose]
        if state.lens is not None:
            assert state.size is not None
            asked["intrinsics"] = [tuple(Intrinsics(*state.lens).scaled(state.size, size))]
    else:
        asked |= {"azimuth": state.azimuth, "elevation": state.elevation, "radius": state.radius}
    if state.lens is None:
        asked["fov"] = _fov(state, size)
    return _said(asked)


def recipe_of(opened: Opened, state: ViewState, size: tuple[int, int]) -> Recipe:
    """The recipe of one picture. Raises as `graf_cli.request.sweep`."""
    return _recipe(opened, asked_of(state, features_of(opened.spec), size), state)


def _recipe(opened: Opened, asked: Mapping[str, Any], state: ViewState) -> Recipe:
    made = sweep(opened.ref, opened.spec, **asked)
    return drawn_as(made, RenderOptions(exact=state.exact, precision=state.precision))


def _drawn(state: ViewState, size: tuple[int, int]) -> Asked:
    """How it is drawn."""
    return {
        "size": size,
        "samples": state.samples,
        "background": None if state.background == "model" else state.background,
        "show": None if state.show == ("rgb",) else state.show,
        "depth_range": state.depth_range,
        "normals": None if state.normals == "camera" else state.normals,
        "jitter": state.jitter,
    }


def _said(asked: Asked) -> Asked:
    return {key: value for key, value in asked.items() if value is not None}


def _fov(state: ViewState, size: tuple[int, int]) -> float | None:
    """Across the width, of what is across the square in the middle where no size is fixed."""
    width, height = size
    if state.fov is None or state.size is not None or width <= height:
        return state.fov
    wider = math.tan(math.radians(state.fov) / 2) * width / height
    return round(math.degrees(2 * math.atan(wider)), FOV_DIGITS)


def _subject(state: ViewState, features: Features) -> Asked:
    asked: Asked = {"controls": {**state.controls} or None, "truncation": state.truncation}
    if state.rows is not None and state.towards is None:
        space = None if state.rows.space == "z" else state.rows.space
        return {**asked, "latents": nested(state.rows), "space": space}
    seeds = _seeds(state, features)
    if seeds is None:
        return {**asked, "latents": [_plain(_row(state, features))]}
    return {**asked, **_shortest({block: (seed,) for block, seed in seeds.items()})}


def _seeds(state: ViewState, features: Features) -> dict[str, int] | None:
    """The seed of each block; None where one lies between several, or is numbers."""
    if state.rows is not None or state.towards is not None:
        return None
    seeds = {block.name: state.codes.get(block.name, FIRST).seed for block in features.blocks}
    known = {name: seed for name, seed in seeds.items() if seed is not None}
    return known if len(known) == len(seeds) else None


def _shortest(seeds: Mapping[str, Sequence[int]]) -> Asked:
    """Seeds of blocks, those of most of them as `seed`."""
    values = list(seeds.values())
    if not values:
        return {}
    usual = max(values, key=values.count)
    own = {block: _one(several) for block, several in seeds.items() if several != usual}
    return {"seed": _one(usual), "codes": own or None}


def _one(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else tuple(values)


def _row(state: ViewState, features: Features) -> Tensor:
    """The codes of all blocks, one after the other, in z."""
    if state.towards is not None:
        seed, share = state.towards
        here, there = (
            split(features, _row(replace(state, towards=None), features)),
            draw(features, seed),
        )
        return torch.cat([_between(here[name], there[name], share) for name in here])
    if state.rows is not None:
        return torch.tensor(state.rows.values[0], device="cpu", dtype=torch.float32)
    drawn: dict[int, dict[str, Tensor]] = {}
    parts = []
    for block in features.blocks:
        mix = state.codes.get(block.name, FIRST)
        for seed in mix.seeds:
            if seed not in drawn:
                drawn[seed] = draw(features, seed)
        parts.append(mixed([drawn[seed][block.name] for seed in mix.seeds], mix.at))
    return torch.cat(parts)


def mixed(codes: Sequence[Tensor], at: tuple[float, float]) -> Tensor:
    """A code between up to four, along great circles; shape as theirs."""
    (a, *others), (x, y) = codes, at
    upper = _between(a, others[0], x) if others else a
    if len(codes) < 3:
        return upper
    lower = _between(codes[2], codes[3], x) if len(codes) == 4 else codes[2]
    return _between(upper, lower, y)


def _between(a: Tensor, b: Tensor, t: float) -> Tensor:
    return along_great_circle(Code(a, b, t))


def _plain(row: Tensor) -> list[float]:
    """The shortest decimals that are the same float32, so that a recipe stays short."""
    return [float(str(number)) for number in row.numpy().astype(np.float32)]


# a film


def film_asked(film: Film, features: Features, size: tuple[int, int]) -> Asked:
    """What a film asks for: sweeps where keyframes say it all, else a value a frame."""
    first = film.keys[0].state
    asked: Asked = {**_drawn(first, size), "frames": film.frames, "fps": film.fps}
    plain = _plainly(film, features)
    states, eased = (
        ([key.state for key in film.keys], film.keys[0].ease)
        if plain
        else ([state_at(film, features, k) for k in range(film.frames)], "linear")
    )
    asked |= _moving_subject(states, features, swept=plain)
    if film.poses:
        asked |= _moving_poses(film, size)
    else:
        for word in VIEW:
            value = _fov if word == "fov" else None
            values = [value(state, size) if value else getattr(state, word) for state in states]
            asked[word] = _sweep(values, closed=plain)
    asked["ease"] = None if eased == "linear" or film.frames == 1 else eased
    moves = film.frames > 1 and len(film.keys) > 1
    asked["boomerang"] = (plain and film.boomerang and moves) or None
    return _said(asked)


def film_recipe(opened: Opened, film: Film, size: tuple[int, int]) -> Recipe:
    """The recipe of a film. Raises as `graf_cli.request.sweep`."""
    asked = film_asked(film, features_of(opened.spec), size)
    return _recipe(opened, asked, film.keys[0].state)


def _plainly(film: Film, features: Features) -> bool:
    """Whether sweeps along keyframes say it all."""
    keys = film.keys
    if len(keys) == 1:
        return True
    gap = 1 / (len(keys) - 1)
    even = all(abs(key.at - k * gap) < EVEN for k, key in enumerate(keys))
    # A recipe eases its whole way, a film the way to each next keyframe.
    eases = {key.ease for key in keys[:-1]} == {"linear"} or len(keys) == 2
    whole = all(key.state.rows is None and _seeds(key.state, features) is not None for key in keys)
    fixed = len({(key.state.rows, key.state.towards) for key in keys}) == 1
    fixed = fixed and keys[0].state.rows is not None
    return even and eases and (whole or fixed) and not film.poses


def _moving_subject(states: Sequence[ViewState], features: Features, *, swept: bool) -> Asked:
    asked: Asked = {"truncation": states[0].truncation}
    names = dict.fromkeys(name for state in states for name in state.controls)
    controls = {}
    for name in names:
        control = features.control(name)
        default = 0.0 if control is None else control.default
        controls[name] = _sweep(
            [state.controls.get(name, default) for state in states], closed=swept
        )
    asked["controls"] = controls or None
    same = len({(_items(state.codes), state.rows, state.towards) for state in states}) == 1
    if same:
        return {**_subject(states[0], features), **_said(asked)}
    if swept:
        each = [_seeds(state, features) or {} for state in states]
        return {**asked, **_shortest({b: _still([s[b] for s in each]) for b in each[0]})}
    return {**asked, "latents": [_plain(_row(state, features)) for state in states]}


def _items(codes: Mapping[str, Mix]) -> frozenset[tuple[str, Mix]]:
    return frozenset(codes.items())


def _still(values: Sequence[Any]) -> tuple[Any, ...]:
    """One value where nothing moves."""
    return tuple(values[:1] if len(set(values)) == 1 else values)


def _sweep(values: Sequence[float | None], *, closed: bool) -> Any:
    """Keyframes; of a value a frame, a last one that is whole turns on begins anew.

    A recipe's sweep over whole turns stops one frame short of its end, which a value a frame is
    not to do.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    known = [known[0] if value is None else value for value in values]
    travel = abs(known[-1] - known[0])
    if not closed and travel > 0 and math.isclose(travel % TURN, 0, abs_tol=1e-9):
        known[-1] = known[0]
    return _one(_still(known))


def _moving_poses(film: Film, size: tuple[int, int]) -> Asked:
    lenses: Sequence[Pinhole | tuple[float, ...]] = film.lenses
    if film.lenses and film.size is not None:
        lenses = [tuple(Intrinsics(*lens).scaled(film.size, size)) for lens in film.lenses]
    asked: Asked = {"poses": film.poses, "intrinsics": lenses or None}
    if not film.lenses:
        asked["fov"] = _fov(film.keys[0].state, size)
    return asked


def state_at(film: Film, features: Features, k: int) -> ViewState:
    """The view state at a frame; codes between keyframes are rows."""
    t = time_of(film, k)
    before = max(bisect_right([key.at for key in film.keys], t) - 1, 0)
    a, b = film.keys[before], film.keys[min(before + 1, len(film.keys) - 1)]
    share = _share(a, b, t)
    return (
        a.state if share == 0 else b.state if share == 1 else _state_between(a, b, share, features)
    )


def _share(a: Key, b: Key, t: float) -> float:
    if b.at <= a.at:
        return 0.0
    share = min(max((t - a.at) / (b.at - a.at), 0.0), 1.0)
    return share * share * (3 - 2 * share) if a.ease == "smooth" else share


def _state_between(a: Key, b: Key, t: float, features: Features) -> ViewState:
    def number(x: float | None, y: float | None) -> float | None:
        return x if x is None or y is None else x + (y - x) * t

    controls = {
        name: number(*(_control(key.state, name, features) for key in (a, b))) or 0.0
        for name in {**a.state.controls, **b.state.controls}
    }
    view = {word: number(getattr(a.state, word), getattr(b.state, word)) for word in VIEW}
    codes: Mapping[str, Any] = {}
    if _code(a.state) != _code(b.state):
        codes = {"rows": _rows_between(a.state, b.state, t, features), "towards": None}
    return _replaced(a.state, controls=controls, **view, **codes)


def _code(state: ViewState) -> object:
    return state.codes, state.rows, state.towards


def _control(state: ViewState, name: str, features: Features) -> float:
    control = features.control(name)
    return state.controls.get(name, 0.0 if control is None else control.default)


def _rows_between(a: ViewState, b: ViewState, t: float, features: Features) -> Rows:
    ours, theirs = (split(features, _row(state, features)) for state in (a, b))
    parts = [_between(ours[name], theirs[name], t) for name in ours]
    return Rows(values=(tuple(_plain(torch.cat(parts))),))


def _replaced(state: ViewState, **changes: Any) -> ViewState:
    if changes.get("rows") is not None:
        changes["codes"] = {}
    return replace(state, **changes)
