"""What is seen, from what people say of it and what the model's family offers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from graf_cli.errors import UsageError
from graf_cli.model.spec import features_of
from graf_cli.recipe import Row, Rows, SubjectPath
from graf_cli.request.options import GridOptions, PictureOptions, SweepOptions
from graf_cli.scene.features import EACH, TURN, Features, told
from graf_cli.scene.spec import ModelSpec
from graf_cli.syntax import AxisValues, check_seeds, parse_values

SHORT = ("shape", "appearance")  # blocks that have options of their own


def object_of(spec: ModelSpec, options: SweepOptions) -> SubjectPath:
    """What is seen: seeds of each block, or rows of codes, and controls.

    Raises
    ------
    UsageError
        When the model has nothing of the kind, or two options say the same.
    """
    rows, seeds = rows_of(spec, options), {}
    if rows is None:
        seeds = seeds_of(spec, options)
    elif _own_seeds(options, features_of(spec)) or options.get("seed") is not None:
        raise UsageError("⟨latents⟩ says which object; leave out ⟨seed⟩, ⟨shape⟩, ⟨appearance⟩.")
    return SubjectPath(
        seeds=seeds,
        rows=rows,
        controls=controls_of(spec, options),
        truncation=truncation_of(spec, options),
    )


def seeds_of(
    spec: ModelSpec, options: SweepOptions | GridOptions, besides: frozenset[str] = frozenset()
) -> dict[str, tuple[int, ...]]:
    """Seeds of every block, but for those that an axis of a grid sets (`besides`).

    Raises
    ------
    UsageError
    """
    features = features_for(spec, options)
    own = _own_seeds(options, features)
    for block, (field, _) in own.items():
        if features.block(block) is None:
            check_number(spec, options, field, block)
            raise UsageError(lacking(spec, features, block, field))
        check_number(spec, options, field, block)
        if block in besides:
            raise UsageError(f"An axis of the grid says `{block}`; leave out ⟨{field}⟩.")
    seed = options.get("seed")
    if seed is not None and not features.blocks:
        raise UsageError(lacking(spec, features, "", "seed"))
    default = _seeds(0 if seed is None else seed)
    return {
        block.name: own[block.name][1] if block.name in own else default
        for block in features.blocks
        if block.name not in besides
    }


def lacking(spec: ModelSpec, features: Features, block: str, field: str) -> str:
    """Why a block cannot be set."""
    if not features.blocks:
        return f"`{spec.name}` has no codes, it shows one scene; leave out ⟨{field}⟩."
    blocks = told(block.name for block in features.blocks)
    return f"⟨{field}⟩: `{spec.name}` has no code `{block}`; it has {blocks}."


def _own_seeds(
    options: SweepOptions | GridOptions, features: Features
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """By block, under which name they were given, and seeds."""
    found = {
        name: ("codes", _seeds(given))
        for name, given in (options.get("codes") or {}).items()
        if not features.is_seed(name)
    }
    for name in SHORT:
        given: Any = options.get(name)
        if given is None:
            continue
        if name in found:
            raise UsageError(f"⟨{name}⟩ and ⟨codes⟩ both say the seed of `{name}`; leave out one.")
        found[name] = (name, _seeds(given))
    return found


def _seeds(value: int | Sequence[int]) -> tuple[int, ...]:
    return check_seeds(value if isinstance(value, Sequence) else (value,))


# rows


def rows_of(spec: ModelSpec, options: SweepOptions) -> Rows | None:
    """Rows of codes, each a vector or a table of numbers; None where there are none.

    Raises
    ------
    UsageError
    """
    given, space = options.get("latents"), options.get("space")
    if given is None:
        if space is not None:
            raise UsageError("⟨space⟩ says what ⟨latents⟩ are; give them as well.")
        return None
    features, space = features_for(spec, options), space or "z"
    if not features.blocks:
        raise UsageError(lacking(spec, features, "", "latents"))
    if space not in features.spaces:
        raise UsageError(
            f"`{spec.name}` takes no rows in the space `{space}`; it takes {told(features.spaces)}."
        )
    rows = [_flat(row) for row in given]
    shape = features.row_shapes.get(space) or (_shape_of(given[0]) if rows else ())
    wanted = features.row_length(space)
    if not rows or len(set(map(len, rows))) > 1 or wanted not in (None, len(rows[0])):
        length = "equally many" if wanted is None else str(wanted)
        raise UsageError(f"The codes of `{spec.name}` have {length} numbers each.")
    return Rows(values=tuple(rows), space=space, shape=shape if len(shape) > 1 else ())


def _flat(row: Sequence[Any]) -> Row:
    """Its numbers one after the other."""
    table = row and isinstance(row[0], Sequence)
    return tuple(map(float, itertools.chain.from_iterable(row) if table else row))


def _shape_of(row: Sequence[Any]) -> tuple[int, ...]:
    return (len(row), len(row[0])) if row and isinstance(row[0], Sequence) else (len(row),)


def nested(rows: Rows) -> Sequence[Sequence[Any]]:
    """The inverse of `rows_of`."""
    if not rows.shape:
        return rows.values
    length = rows.shape[-1]
    return [[row[at : at + length] for at in range(0, len(row), length)] for row in rows.values]


# controls and the rest


def counts_of(spec: ModelSpec, options: PictureOptions) -> dict[str, tuple[float, ...]]:
    """The control that says how many objects there are, where it is set.

    Raises
    ------
    UsageError
    """
    repeated, asked = features_of(spec).repeated, options.get("objects")
    axes = [options.get("rows"), options.get("columns")]
    if repeated is None:
        if asked is not None:
            raise UsageError(f"`{spec.name}` shows one object; leave out ⟨objects⟩.")
        return {}
    given = (options.get("controls") or {}).get(repeated.control)
    if asked is not None and given is not None:
        raise UsageError(
            f"⟨objects⟩ and the control `{repeated.control}` are the same; leave out one."
        )
    said = asked if given is None else given
    values = [] if said is None else [*_values(said)]
    if asked is not None and not all(
        value == int(value) and 0 <= value <= repeated.most
        for value in values
        if math.isfinite(value)
    ):
        raise UsageError(f"⟨objects⟩ takes whole numbers from 0 to {repeated.most}.")
    for axis in axes:
        if axis and repeated.control in axis:
            values += axis_numbers(axis[repeated.control])
    if not all(map(math.isfinite, values)):
        raise UsageError(f"⟨{repeated.control}⟩ takes one or more finite numbers.")
    return {repeated.control: tuple(values)} if values else {}


def axis_numbers(values: Any) -> list[float]:
    """The numbers that an axis of a grid names, as far as they are numbers."""
    parsed = parse_values(values) if isinstance(values, str) else values
    found = parsed.items if isinstance(parsed, AxisValues) else parsed
    try:
        return [float(item) for item in found]
    except ValueError:
        return []


def features_for(spec: ModelSpec, options: PictureOptions) -> Features:
    """What a model offers for as many objects as are asked for."""
    return features_of(spec).counting(counts_of(spec, options))


def check_number(spec: ModelSpec, options: PictureOptions, field: str, name: str) -> None:
    """Refuse the code or the control of an object that is not there.

    Raises
    ------
    UsageError
    """
    features = features_of(spec)
    number, count = features.number(name), features.count(counts_of(spec, options))
    if number is not None and count is not None and number >= count:
        there = f"{count} objects, counted from 0" if count != 1 else "1 object, number 0"
        raise UsageError(
            f"⟨{field}⟩: there is no `{name}`, since there are {there}; "
            "ask for more with ⟨objects⟩."
        )


def controls_of(spec: ModelSpec, options: PictureOptions) -> dict[str, tuple[float, ...]]:
    """Keyframes of the controls that are set.

    Raises
    ------
    UsageError
    """
    features = features_of(spec)
    counted = counts_of(spec, options)
    asked: dict[str, Any] = {**(options.get("controls") or {})}
    asked |= _seed_controls(features, options, asked)
    if options.get("objects") is not None:
        asked |= counted
    azimuth = options.get("azimuth") if features.azimuth == "objects" else None
    if azimuth is not None:
        if TURN in asked:
            raise UsageError(
                f"⟨azimuth⟩ turns the objects here, as the control `{TURN}` does; leave out one."
            )
        asked[TURN] = azimuth
    found = {}
    for name, given in _each(features, asked, features.count(counted) or 0).items():
        found[name] = check_control(spec, features, name, _values(given))
        check_number(spec, options, "controls", name)
    return found


def _values(given: Any) -> tuple[float, ...]:
    return tuple(map(float, given if isinstance(given, Sequence) else (given,)))


def _each(features: Features, asked: Mapping[str, Any], count: int) -> dict[str, Any]:
    """With a control of each object in place of one that names all; its own goes before."""
    patterns = {control.name for control in features.controls if EACH in control.name}
    own = {name: given for name, given in asked.items() if name not in patterns}
    every = {
        name.replace(EACH, str(number)): given
        for name, given in asked.items()
        if name in patterns
        for number in range(count)
    }
    return {**every, **own}


def _seed_controls(
    features: Features, options: PictureOptions, besides: Mapping[str, Any]
) -> dict[str, tuple[int, ...]]:
    """Controls that are seeds, given as codes.

    Raises
    ------
    UsageError
        When they are said twice, or lead from one seed to another that is not beside it.
    """
    given: Mapping[str, Any] = options.get("codes") or {}
    found = {name: _seeds(value) for name, value in given.items() if features.is_seed(name)}
    for name, seeds in found.items():
        if name in besides:
            raise UsageError(f"⟨codes⟩ and ⟨controls⟩ both say `{name}`; leave out one.")
        if any(abs(b - a) > 1 for a, b in itertools.pairwise(seeds)):
            raise UsageError(
                f"⟨codes⟩: `{name}` goes from a seed to the next one alone, as 4:5:6; "
                "draw each way on its own."
            )
    return found


def check_control(
    spec: ModelSpec, features: Features, name: str, values: tuple[float, ...]
) -> tuple[float, ...]:
    """Values that a control of the model can have.

    Raises
    ------
    UsageError
    """
    control = features.control(name)
    if control is None:
        raise UsageError(f"⟨controls⟩: `{spec.name}` has no `{name}`; it has {_names(features)}.")
    if not values or not all(map(math.isfinite, values)):
        raise UsageError(f"⟨controls⟩: `{name}` takes one or more finite numbers.")
    if control.whole and not all(value == int(value) for value in values):
        raise UsageError(f"⟨controls⟩: `{name}` takes whole numbers.")
    repeated = features.repeated
    if (
        repeated is not None
        and name == repeated.control
        and not all(0 <= value <= repeated.most for value in values)
    ):
        raise UsageError(f"⟨controls⟩: `{name}` is from 0 to {repeated.most}.")
    if control.strict and not all(control.low <= value <= control.high for value in values):
        raise UsageError(
            f"⟨controls⟩: `{name}` of `{spec.name}` is from {control.low:g} to {control.high:g}."
        )
    return values


def _names(features: Features) -> str:
    return told(control.name for control in features.controls)


def settings_of(spec: ModelSpec, options: PictureOptions) -> dict[str, float]:
    """Controls that do not sweep.

    Raises
    ------
    UsageError
    """
    controls = controls_of(spec, options)
    moving = [name for name, values in controls.items() if len(values) > 1]
    if moving:
        raise UsageError(f"⟨controls⟩: `{moving[0]}` sweeps; here it takes one number.")
    return {name: values[0] for name, values in controls.items()}


def truncation_of(spec: ModelSpec, options: PictureOptions) -> float:
    """How codes are truncated, the model's own way where nothing is said.

    Raises
    ------
    UsageError
    """
    given, features = options.get("truncation"), features_of(spec)
    if given is None:
        return features.truncation_default
    if features.truncation == "none":
        raise UsageError(f"`{spec.name}` has nothing to truncate; leave out ⟨truncation⟩.")
    return float(given)


def jitter_of(spec: ModelSpec, options: PictureOptions) -> int | None:
    """The seed of random numbers in pictures.

    Raises
    ------
    UsageError
    """
    given = options.get("jitter")
    if given is not None and not features_of(spec).jitter:
        raise UsageError(f"`{spec.name}` draws no random numbers; leave out ⟨jitter⟩.")
    return None if given is None else check_seeds([given])[0]


def merged(base: Any, given: Any) -> dict[str, Any] | None:
    """A recipe's own with what is given in its place, name by name."""
    both = {**(base or {}), **(given or {})}
    return both or None
