"""What changes from row to row and from column to column of a grid."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeVar, get_args

from graf_cli.errors import UsageError
from graf_cli.recipe import Axis, ControlAxis, SeedAxis, ViewAxis
from graf_cli.recipe.v2 import VIEW_BOUNDS
from graf_cli.request.options import GridOptions
from graf_cli.request.subject import check_control, check_number, features_for, lacking
from graf_cli.scene.features import EACH, Features, told
from graf_cli.scene.features import TURN as TURN_CONTROL
from graf_cli.scene.spec import ModelSpec
from graf_cli.syntax import AxisValues, check_seeds, parse_values

Side = Literal["rows", "columns"]
Word = Literal["azimuth", "elevation", "radius", "fov"]
VIEW_NAMES: tuple[Word, ...] = get_args(Word)
ALL = "seed"  # the name of all blocks together
DEFAULT_COUNT = 5  # of values that are spread, and of seeds where nothing is said
MOST = 4096  # cells of one axis
TURN = 360.0
NAMES: dict[Side, tuple[str, str]] = {  # the block that a side has without a word, its own word
    "rows": ("shape", "shapes"), "columns": ("appearance", "appearances"),
}  # fmt: skip
N = TypeVar("N", int, float)
Given = Mapping[str, Sequence[float] | AxisValues | str]


def axis_of(spec: ModelSpec, side: Side, options: GridOptions, seeds: Sequence[int] | None) -> Axis:
    """One axis of a grid.

    Parameters
    ----------
    spec : ModelSpec
    side : str
    options : GridOptions
        Of a side, one name (of a block, ``seed`` for all of them, of the view, of a control) and
        its values, or nothing.
    seeds : sequence of int or None
        In its place, of the block that the side has without a word.

    Raises
    ------
    UsageError
    """
    features, (block, word) = features_for(spec, options), NAMES[side]
    given: Given | None = options.get(side)
    if given is None:
        if features.block(block) is None:
            raise UsageError(
                f"`{spec.name}` has no `{block}`; say with ⟨{side}⟩ what changes: "
                f"{told(names_of(features))}."
            )
        return SeedAxis(
            blocks=(block,), seeds=check_seeds(range(DEFAULT_COUNT) if seeds is None else seeds)
        )
    if seeds is not None:
        raise UsageError(f"⟨{side}⟩ and ⟨{word}⟩ both say what changes; leave out one.")
    if len(given) != 1:
        raise UsageError(f"⟨{side}⟩ takes one name and its values.")
    [(name, values)] = given.items()
    axis = _named(spec, side, name, values, features)
    for changed in axis.changes:
        check_number(spec, options, side, changed)
    return axis


def names_of(features: Features) -> list[str]:
    """What may change along an axis."""
    blocks = [block.name for block in features.blocks]
    all_of_them = [ALL] if blocks else []
    return [*all_of_them, *blocks, *VIEW_NAMES, *(control.name for control in features.controls)]


def _named(
    spec: ModelSpec,
    side: Side,
    name: str,
    values: Sequence[float] | AxisValues | str,
    features: Features,
) -> Axis:
    if isinstance(values, str):
        values = parse_values(values)
    if name == "azimuth" and features.azimuth == "objects":
        name = TURN_CONTROL
    if name == ALL or features.block(name) is not None:
        if not features.blocks:
            raise UsageError(lacking(spec, features, "", side))
        blocks = tuple(block.name for block in features.blocks) if name == ALL else (name,)
        return SeedAxis(blocks=blocks, seeds=_seeds(side, name, values))
    for word in VIEW_NAMES:
        if name == word:
            return ViewAxis(word=word, values=_view(side, word, values))
    control = features.control(name)
    if control is None and any(one.name == name for one in features.controls):
        raise UsageError(
            f"⟨{side}⟩: `{name}` is of every object; name that of one, such as "
            f"`{name.replace(EACH, '0')}`."
        )
    if control is None:
        raise UsageError(
            f"⟨{side}⟩: `{spec.name}` has no `{name}`; it has {told(names_of(features))}."
        )
    if control.whole:
        values = _every_whole(values)
    numbers = _numbers(side, values, turns=control.unit == "degrees")
    return ControlAxis(name=name, values=check_control(spec, features, name, numbers))


def _seeds(side: Side, name: str, values: Sequence[float] | AxisValues) -> tuple[int, ...]:
    """A list as it is; ``from:to`` is every whole number between, both ends included."""
    if not isinstance(values, AxisValues):
        return _bounded(side, check_seeds([int(value) for value in values]))
    if not all(word.isdecimal() and len(word) <= 40 for word in values.items):
        raise UsageError(f"⟨{side}⟩: the seeds of `{name}` are whole numbers.")
    seeds = check_seeds([int(word) for word in values.items])
    if not values.spread:
        return _bounded(side, seeds)
    if len(seeds) != 2 or values.count is not None:
        raise UsageError(
            f"⟨{side}⟩: seeds are `from:to`, every one between, or a list `a,b,c`; nothing else."
        )
    first, last = seeds
    if abs(last - first) >= MOST:
        raise UsageError(f"⟨{side}⟩ has more than {MOST} values; give fewer.")
    step = 1 if first <= last else -1
    return tuple(range(first, last + step, step))


def _numbers(side: Side, values: Sequence[float] | AxisValues, *, turns: bool) -> tuple[float, ...]:
    """A list as it is; keyframes are spread evenly, both ends included.

    Of a whole turn its last value is left out, which is the first one again.
    """
    if not isinstance(values, AxisValues):
        return _bounded(side, tuple(map(float, values)))
    try:
        keyframes = tuple(map(float, values.items))
    except ValueError:
        keyframes = (math.nan,)
    if not all(map(math.isfinite, keyframes)):
        raise UsageError(f"⟨{side}⟩: `{':'.join(values.items)}` are not all numbers.")
    if not values.spread:
        return _bounded(side, keyframes)
    count = DEFAULT_COUNT if values.count is None else values.count
    if not 1 <= count <= MOST:
        raise UsageError(f"⟨{side}⟩ has {count} values; give 1 to {MOST}.")
    travel = abs(keyframes[-1] - keyframes[0])
    closed = turns and travel > 0 and math.isclose(travel % TURN, 0, abs_tol=1e-9)
    return _spread(keyframes, count, steps=count if closed else count - 1)


def _every_whole(values: Sequence[float] | AxisValues) -> Sequence[float] | AxisValues:
    """``from:to`` of whole numbers is every one between, both ends included."""
    if not isinstance(values, AxisValues) or not values.spread or values.count is not None:
        return values
    if len(values.items) != 2 or not all(re.fullmatch("[0-9]{1,6}", word) for word in values.items):
        return values
    first, last = map(int, values.items)
    return replace(values, count=abs(last - first) + 1)


def _spread(keyframes: tuple[float, ...], count: int, steps: int) -> tuple[float, ...]:
    found = []
    for k in range(count):
        position = (len(keyframes) - 1) * k / steps if steps else 0.0
        at = min(int(position), max(len(keyframes) - 2, 0))
        a, b = keyframes[at], keyframes[min(at + 1, len(keyframes) - 1)]
        found.append(a + (b - a) * (position - at))
    return tuple(found)


def _view(side: Side, word: Word, values: Sequence[float] | AxisValues) -> tuple[float, ...]:
    numbers = _numbers(side, values, turns=word == "azimuth")
    low, high = VIEW_BOUNDS[word]
    if not all(low <= number <= high for number in numbers):
        raise UsageError(f"⟨{side}⟩: `{word}` is from {low:g} to {high:g}.")
    return numbers


def _bounded(side: Side, values: tuple[N, ...]) -> tuple[N, ...]:
    if not 1 <= len(values) <= MOST:
        raise UsageError(f"⟨{side}⟩ has {len(values)} values; give 1 to {MOST}.")
    return values
