"""The Recipe: what to draw, exactly enough to draw it again.

Plain data, JSON both ways. What changes a pixel is in it; what does not (device, chunk, engine)
is not. New recipes are of schema 2, those of schema 1 are read for ever; either way what the rest
of the program sees is the form of `graf_cli.recipe.v2`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from graf_cli.decoding import decode
from graf_cli.errors import RecipeError
from graf_cli.model.settings import LATEST, digest_of, version_of
from graf_cli.model.spec import features_of
from graf_cli.recipe import v1, v2
from graf_cli.recipe.v2 import DEFAULT_FPS as DEFAULT_FPS
from graf_cli.recipe.v2 import MAX_FRAMES as MAX_FRAMES
from graf_cli.recipe.v2 import SCALED as SCALED
from graf_cli.recipe.v2 import TRANSPARENT as TRANSPARENT
from graf_cli.recipe.v2 import Axis as Axis
from graf_cli.recipe.v2 import ControlAxis as ControlAxis
from graf_cli.recipe.v2 import Dataset as Dataset
from graf_cli.recipe.v2 import Ease as Ease
from graf_cli.recipe.v2 import Grid as Grid
from graf_cli.recipe.v2 import Kind as Kind
from graf_cli.recipe.v2 import ModelRef as ModelRef
from graf_cli.recipe.v2 import NormalFrame as NormalFrame
from graf_cli.recipe.v2 import Pinhole as Pinhole
from graf_cli.recipe.v2 import Plan as Plan
from graf_cli.recipe.v2 import Recipe as Recipe
from graf_cli.recipe.v2 import Row as Row
from graf_cli.recipe.v2 import Rows as Rows
from graf_cli.recipe.v2 import Samples as Samples
from graf_cli.recipe.v2 import SeedAxis as SeedAxis
from graf_cli.recipe.v2 import Split as Split
from graf_cli.recipe.v2 import SubjectPath as SubjectPath
from graf_cli.recipe.v2 import Sweep as Sweep
from graf_cli.recipe.v2 import View as View
from graf_cli.recipe.v2 import ViewAxis as ViewAxis
from graf_cli.recipe.v2 import values_of as values_of
from graf_cli.scene.features import Features, told
from graf_cli.scene.spec import ModelSpec
from graf_cli.surfaces.options import Export as Export

MAX_BYTES = 256 << 20  # of a recipe as JSON; rows and poses of many frames are long


class _Head(Struct):
    """What is looked at before it is known which reader reads the rest."""

    schema: int = v1.SCHEMA


def from_json(text: str | bytes, where: str = "The recipe") -> Recipe:
    """Read a recipe of any schema; an error says `where` it is.

    Raises
    ------
    RecipeError
        Naming the key and the problem.
    """
    if len(text) > MAX_BYTES:
        raise RecipeError(f"{where} is larger than a recipe can be.")
    try:
        return _reader(text)(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        message = str(error).replace(" - at `$.", " at `").replace(" - at `$`", "").rstrip(".")
        raise RecipeError(f"{where} cannot be used as a recipe: {message}.") from error


def _reader(text: str | bytes) -> Callable[[str | bytes], Recipe]:
    schema = decode(text, _Head).schema
    match schema:
        case v1.SCHEMA:
            return v1.read
        case v2.SCHEMA:
            return v2.read
        case _ if schema > v2.SCHEMA:
            raise ValueError(f"only a newer graf knows its schema {schema}; update graf")
        case _:
            raise ValueError(f"there is no schema {schema}")


def same(there: Recipe, here: Recipe) -> bool:
    """Whether two recipes show the same, whichever versions and schemas they were written in.

    The one place that says what makes a recipe another one; ``==`` tells the versions apart too.
    """
    there, here = _less_idle(there, here), _less_idle(here, there)
    there = replace(there, graf=here.graf)
    if None in (there.marched, here.marched):  # earlier versions left to the model what it tells
        there = replace(there, marched=here.marched)
    return there == here


def _less_idle(recipe: Recipe, other: Recipe) -> Recipe:
    """A recipe without seeds of blocks that its model lacks, as those of schema 1 have them.

    The settings of one model have one set of blocks, and a recipe of schema 2 names them all.
    """
    plan, its = recipe.plan, other.plan
    if not (isinstance(plan, Sweep) and isinstance(its, Sweep)) or recipe.model != other.model:
        return recipe
    if plan.subject.rows is not None or its.subject.rows is not None:
        return recipe
    seeds = {
        block: seeds
        for block, seeds in plan.subject.seeds.items()
        if block in its.subject.seeds or block not in v1.BLOCKS
    }
    return replace(recipe, plan=replace(plan, subject=replace(plan.subject, seeds=seeds)))


def differences(there: Recipe, here: Recipe, most: int = 3) -> str:
    """Where two recipes are not the `same`: "`plan.n` is 32 there and 64 here"."""
    a, b = (_leaves("", msgspec.to_builtins(replace(r, graf=""))) for r in (there, here))
    keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
    told = [f"`{key}` is {_short(a.get(key))} there and {_short(b.get(key))} here" for key in keys]
    more = [f"{len(told) - most} more"] if len(told) > most else []
    return ", ".join((*told[:most], *more))


def _leaves(prefix: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        return {prefix: value}
    parts = (_leaves(f"{prefix}.{key}".strip("."), item) for key, item in value.items())
    return {key: leaf for part in parts for key, leaf in part.items()}


def _short(value: object, most: int = 40) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= most else f"{text[:most]}…"


def model_ref(spec: ModelSpec, sha256: str | None) -> ModelRef:
    """Name a model by its name, its weights and the settings that draw with them."""
    name = "".join(c if c.isprintable() else "?" for c in spec.name[:200])
    return ModelRef(name=name, sha256=sha256, settings=digest_of(spec))


def check_model(recipe: Recipe, ref: ModelRef) -> None:
    """Refuse to draw a recipe with a model that is not its own, whatever it is called.

    Raises
    ------
    RecipeError
        Naming both.
    """
    wanted = recipe.model
    if wanted.sha256 is not None and wanted.sha256 != ref.sha256:
        raise RecipeError(
            f"The recipe is of `{wanted.name}` with the SHA-256 {wanted.sha256[:12]}…, but this "
            f"is `{ref.name}` with {(ref.sha256 or 'none')[:12]}…; name its own model with "
            "⟨model⟩ or ⟨checkpoint⟩."
        )
    if version_of(wanted.settings) > LATEST:
        raise RecipeError(
            f"The recipe is of `{wanted.name}` under settings ({wanted.settings[:12]}…) that only "
            "a newer graf knows; update graf."
        )
    if wanted.settings != ref.settings:
        raise RecipeError(
            f"The recipe is of `{wanted.name}` under other settings ({wanted.settings[:12]}…) than "
            f"this `{ref.name}` ({ref.settings[:12]}…); give the ⟨manifest⟩ or ⟨config⟩ of then."
        )


def check_subject(recipe: Recipe, spec: ModelSpec) -> None:
    """Refuse blocks, rows and controls that are not the model's.

    Raises
    ------
    RecipeError
    """
    features, plan = features_for(recipe, spec), recipe.plan
    _check_counted(recipe, spec.name, features)
    match plan:
        case Sweep() | Grid():
            axes = (plan.rows, plan.columns) if isinstance(plan, Grid) else ()
            seeded = {*plan.subject.seeds}.union(
                *(a.blocks for a in axes if isinstance(a, SeedAxis))
            )
            moved = {*plan.subject.controls}.union(
                *(a.changes for a in axes if isinstance(a, ControlAxis))
            )
            _check_blocks(spec.name, features, seeded, plan.subject.rows)
        case Samples() | Dataset():
            moved = set(plan.controls)
    for name in sorted(moved):
        if features.control(name) is None:
            raise RecipeError(
                f"The recipe sets the control `{name}`, which `{spec.name}` has not "
                f"(it has {told(control.name for control in features.controls)}); "
                "name the model that it is of."
            )
    if recipe.marched not in (None, features.surface):
        raise RecipeError(
            f"The recipe says that depth is marched at {recipe.marched} pixels along a side, but "
            f"`{spec.name}` marches at {features.surface or 'every pixel'}; name the model that it "
            "is of."
        )
    if recipe.jitter is not None and not features.jitter:
        raise RecipeError(
            f"The recipe draws random numbers, which `{spec.name}` does not; "
            "name the model that it is of."
        )


def features_for(recipe: Recipe, spec: ModelSpec) -> Features:
    """What the recipe's model offers, with codes of as many objects as the recipe shows."""
    return features_of(spec).counting(values_of(recipe.plan))


def _check_counted(recipe: Recipe, name: str, features: Features) -> None:
    values = values_of(recipe.plan)
    count, repeated = features.count(values), features.repeated
    if recipe.composited and features.behind is None:
        raise RecipeError(
            f"The recipe leaves out a background that `{name}` does not paint; "
            "name the model that it is of."
        )
    if repeated is None or count is None:
        return
    wanted = values.get(repeated.control, ())
    if not all(value == int(value) and 0 <= value <= repeated.most for value in wanted):
        raise RecipeError(
            f"The recipe sets `{repeated.control}` to {max(wanted):g}; `{name}` can have whole "
            f"numbers up to {repeated.most}."
        )
    for one in values:
        number = features.number(one)
        if number is not None and number >= count:
            raise RecipeError(
                f"The recipe sets `{one}`, but has {count} of them, counted from 0; leave it out."
            )


def _check_blocks(name: str, features: Features, seeded: set[str], rows: Rows | None) -> None:
    if rows is not None:
        _check_rows(name, features, rows)
        return
    has = {block.name for block in features.blocks}
    strange = {block for block in seeded - has if not v1.idle(block, features)}
    if strange or has - seeded:
        raise RecipeError(
            f"The recipe is of codes called {told(sorted(seeded))}, but `{name}` has "
            f"{told(block.name for block in features.blocks)}; name the model that it is of."
        )


def _check_rows(name: str, features: Features, rows: Rows) -> None:
    if rows.space not in features.spaces or not features.blocks:
        spaces = features.spaces if features.blocks else ()
        raise RecipeError(
            f"The recipe's rows are in the space `{rows.space}`, but `{name}` takes "
            f"{told(spaces)}; name the model that they are of."
        )
    length, wanted = len(rows.values[0]), features.row_length(rows.space)
    if wanted not in (None, length):
        raise RecipeError(
            f"The recipe's codes have {length} numbers, but those of `{name}` have {wanted}; "
            "name the model that they are of."
        )
