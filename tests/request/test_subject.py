"""What the library's keywords come to: codes by name, controls, axes."""

from __future__ import annotations

from typing import Any

import pytest

from graf_cli.errors import UsageError
from graf_cli.recipe import Grid, Recipe, SubjectPath, Sweep, ViewAxis
from graf_cli.request import grid, override, sweep
from tests.conftest import small_spec
from tests.output.frames import reference

SPEC = small_spec()


def subject(recipe: Recipe) -> SubjectPath:
    assert isinstance(recipe.plan, Sweep)
    return recipe.plan.subject


def test_short_forms_and_codes_are_the_same() -> None:
    short = sweep(reference(), SPEC, seed=2, shape=(1, 3))
    assert sweep(reference(), SPEC, seed=2, codes={"shape": (1, 3)}) == short
    assert subject(short).seeds == {"shape": (1, 3), "appearance": (2,)}
    assert subject(sweep(reference(), SPEC, codes={"shape": 3})).seeds == {
        "shape": (3,),
        "appearance": (0,),
    }


def test_codes_of_a_recipe_are_replaced_one_by_one() -> None:
    base = sweep(reference(), SPEC, shape=(1, 3), appearance=2, frames=4)
    changed = override(base, reference(), SPEC, codes={"appearance": 9})
    assert subject(changed).seeds == {"shape": (1, 3), "appearance": (9,)}
    assert subject(override(base, reference(), SPEC, shape=5)).seeds["shape"] == (5,)
    again = override(base, reference(), SPEC, seed=7, codes={"shape": 1})
    assert subject(again).seeds == {"shape": (1,), "appearance": (7,)}


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ((-30, 0, 30), (-30, 0, 30)),
        ("-30:30", (-30, -15, 0, 15, 30)),
        ("0:40:10/5", (0, 20, 40, 25, 10)),
        ("0:360/4", (0, 90, 180, 270)),
        ("5,7", (5, 7)),
        ("5", (5,)),
        ("5:9/1", (5,)),
    ],
)
def test_values_of_an_axis(given: Any, values: tuple[float, ...]) -> None:
    plan = grid(reference(), SPEC, [1], columns={"azimuth": given}).plan
    assert isinstance(plan, Grid)
    assert plan.columns == ViewAxis(word="azimuth", values=values)


@pytest.mark.parametrize(
    "given", ["", "a:b", "1:2/0", "1:2/x", "1,2/2", "1,,2", "nan", (), "0:9/9999"]
)
def test_values_that_are_none(given: Any) -> None:
    with pytest.raises(UsageError):
        grid(reference(), SPEC, [1], columns={"azimuth": given})


def test_seeds_of_an_axis_count_either_way() -> None:
    plan = grid(reference(), SPEC, rows={"shape": "3:1"}, columns={"appearance": (5, 8)}).plan
    assert isinstance(plan, Grid)
    assert [getattr(axis, "seeds") for axis in (plan.rows, plan.columns)] == [  # noqa: B009
        (3, 2, 1),
        (5, 8),
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"codes": {"soul": 3}}, "`codes`: `small:8` has no code `soul`; it has `shape` and"),
        ({"codes": {"shape": -3}}, "out of range"),
        ({"codes": {"shape": 3}, "shape": 3}, "`shape` and `codes` both"),
        ({"controls": {"y": 3}}, "`controls`: `small:8` has no `y`; it has none."),
        ({"jitter": 3}, "leave out `jitter`"),
        ({"latents": [[0.0] * 6], "space": "w"}, "no rows in the space `w`; it takes `z`."),
    ],
)
def test_what_the_model_lacks_is_told_by_its_keyword(options: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        sweep(reference(), SPEC, **options)
