"""Schema 1 is read for ever, and becomes today's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from graf_cli.errors import RecipeError
from graf_cli.families.graf.spec import LatentSpec
from graf_cli.recipe import (
    Recipe,
    SeedAxis,
    Sweep,
    differences,
    from_json,
    model_ref,
    same,
    v1,
)
from graf_cli.request import override, sweep
from graf_cli.scene.spec import ModelSpec
from graf_cli.shots import Shots
from tests.conftest import small_spec

PAST = Path(__file__).parents[1] / "past/0.1.0"
RECIPES = sorted([*PAST.glob("*.json"), *PAST.glob("*/recipe.json")])
RECIPES = [path for path in RECIPES if path.name not in ("models.json", "commands.json")]


def written(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PAST / name).read_text())
    return found


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_it_is_read_and_written_anew(path: Path) -> None:
    recipe = from_json(path.read_bytes())
    text = recipe.to_json()
    assert json.loads(text)["schema"] == 2
    assert from_json(text) == recipe
    assert same(from_json(text), recipe)
    assert differences(from_json(text), recipe) == ""
    assert len(text) <= len(path.read_text())


def test_seeds_become_blocks_and_codes_rows() -> None:
    plan = from_json((PAST / "seeds.json").read_bytes()).plan
    assert isinstance(plan, Sweep)
    assert plan.subject.seeds == {"shape": (1, 2, 5), "appearance": (7,)}
    plan = from_json((PAST / "codes.json").read_bytes()).plan
    assert isinstance(plan, Sweep)
    assert plan.subject.rows is not None
    assert plan.subject.rows.space == "z"
    assert plan.subject.seeds == {}


def test_a_grid_has_two_axes() -> None:
    plan = from_json((PAST / "grid.json").read_bytes()).plan
    assert not isinstance(plan, Sweep)
    assert getattr(plan, "rows") == SeedAxis(blocks=("shape",), seeds=(0,))  # noqa: B009
    assert getattr(plan, "columns") == SeedAxis(blocks=("appearance",), seeds=(0, 1))  # noqa: B009


@pytest.mark.parametrize("name", ["tars", "dataset", "posed"])
def test_a_data_set_is_told_as_it_was(name: str) -> None:
    """Its length says how many views a tar holds."""
    text = (PAST / name / "recipe.json").read_text().strip()
    assert v1.text_of(from_json(text)) == text


def test_what_was_written_between_is_read() -> None:
    """Before schema 2, recipes said `intrinsics`, most often none."""
    document = written("poses.json")
    document["plan"]["view"]["intrinsics"] = []
    assert from_json(json.dumps(document)) == from_json((PAST / "poses.json").read_bytes())
    document["plan"]["view"]["intrinsics"] = [[20.0, 20.0, 8.0, 8.0]]
    plan = from_json(json.dumps(document)).plan
    assert isinstance(plan, Sweep)
    assert plan.view.intrinsics == ((20.0, 20.0, 8.0, 8.0),)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("plan.object.shape", [-1], "plan.object.shape"),
        ("plan.object.shape", [], "plan.object.shape"),
        ("plan.object.codes", [[0.0], [0.0, 1.0]], "differ in length"),
        ("plan.object.codes", [[0.0]] * 2, "2 rows for 4 frames"),
        ("plan.subject", {}, "subject"),
        ("jitter", 3, "jitter"),
        ("frame", 4, "`frame` is 4"),
        ("schema", 3, "only a newer graf knows its schema 3; update graf"),
    ],
)
def test_it_stays_as_strict_as_it_was(path: str, value: Any, says: str) -> None:
    inside = document = written("seeds.json")
    *parents, key = path.split(".")
    for parent in parents:
        inside = inside[parent]
    inside[key] = value
    with pytest.raises(RecipeError, match=says):
        from_json(json.dumps(document))


# a model whose objects have no appearance, which recipes of schema 1 seed all the same


def shape_alone() -> tuple[ModelSpec, Recipe]:
    spec = small_spec(latent=LatentSpec(dim=6, dim_appearance=0))
    return spec, sweep(model_ref(spec, None), spec, seed=3)


def of_schema_1() -> Recipe:
    _, recipe = shape_alone()
    plain = json.loads(recipe.to_json())
    del plain["plan"]["subject"]
    plain["plan"]["object"] = {"shape": [3], "appearance": [3]}
    return from_json(json.dumps({**plain, "schema": 1, "plan": plain["plan"]}))


def test_its_recipe_is_drawn_and_gone_on_with() -> None:
    spec, now = shape_alone()
    then = of_schema_1()
    assert Shots(then, spec)[0].key == Shots(now, spec)[0].key
    assert same(then, now)
    assert same(now, then)
    assert not same(then, replace(now, width=9))
    assert same(then, replace(now, marched=8))  # which the model tells
    assert not same(replace(then, marched=9), replace(now, marched=8))
    assert override(then, now.model, spec, samples=5) == replace(now, samples=5)
    plan = now.plan
    assert isinstance(plan, Sweep)
    other = replace(plan, subject=replace(plan.subject, seeds={"shape": (4,)}))
    assert not same(then, replace(now, plan=other))


def test_a_block_that_no_schema_knows_is_refused() -> None:
    spec, now = shape_alone()
    text = now.to_json().replace('"shape":[3]', '"shape":[3],"soul":[3]')
    with pytest.raises(RecipeError, match="`shape` and `soul`, but `small:8` has `shape`"):
        Shots(from_json(text), spec)
