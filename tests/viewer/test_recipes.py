"""View states and films become recipes, the command lines of which draw the very same; and back."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from graf_cli.cli.main import cli
from graf_cli.errors import RecipeError, UsageError
from graf_cli.model.spec import features_of
from graf_cli.opening import Opened, outline
from graf_cli.recipe import Recipe, Sweep, from_json
from graf_cli.request import sample, sweep
from graf_cli.scene.codes import draw
from graf_cli.viewer.brought import from_recipe
from graf_cli.viewer.line import LONGEST, Source, line_of, recipe_name
from graf_cli.viewer.recipes import asked_of, film_asked, film_recipe, mixed, recipe_of, state_at
from graf_cli.viewer.state import Film, Mix, ViewState, convert, fitting
from tests.families.made_up import install

SIZE = (64, 48)
TOYS = Source(("--model", "toy-cars:128"))


@pytest.fixture(scope="module")
def toys() -> Opened:
    return outline("toy-cars")


@pytest.fixture
def balls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Opened:
    """A family with controls, and codes that are truncated towards a mean."""
    install(monkeypatch, tmp_path)
    return outline("ball")


def state(**told: Any) -> ViewState:
    return convert(told, ViewState, "The view state")


def run(line: str) -> Recipe:
    """What a line for a shell would draw."""
    before, pipe, after = line.rpartition(" | ")
    words = shlex.split(after)
    assert words[0] == "graf"
    text = shlex.split(before)[2] if pipe else None
    result = CliRunner().invoke(cli, [*words[1:], "--dry-run"], input=text)
    assert result.exit_code == 0, result.output
    return from_json(result.stdout)


STATES: list[dict[str, Any]] = [
    {},
    {"codes": {"shape": {"seeds": [3]}, "appearance": {"seeds": [7]}}, "azimuth": 30.25},
    {"azimuth": -12.5, "elevation": 20, "radius": 9.75, "fov": 25, "background": "#102030"},
    {"size": [40, 30], "fov": 25.125, "show": ["depth"], "depth_range": [7.5, 12.5]},
    {"show": ["rgb", "normal"], "normals": "world", "background": "transparent"},
    {"codes": {"shape": {"seeds": [1, 2], "at": [0.25, 0]}}, "truncation": 0.7, "samples": 32},
    {"codes": {"shape": {"seeds": [1, 2, 3, 4], "at": [0.25, 0.5]}}, "exact": True},
    {"pose": [1, 0, 0, 0.5, 0, 1, 0, 0, 0, 0, 1, 10], "azimuth": 3, "precision": "float32"},
    {
        "pose": [1, 0, 0, 0.5, 0, 1, 0, 0, 0, 0, 1, 10],
        "lens": [200, 210, 33, 24], "size": [64, 48],
    },
    {"codes": {"shape": {"seeds": [5]}}, "towards": [9, 0.3]},
]  # fmt: skip


@pytest.mark.parametrize("told", STATES)
def test_the_line_of_a_view_state_draws_its_recipe(toys: Opened, told: dict[str, Any]) -> None:
    seen = state(**told)
    size = seen.size or SIZE
    recipe = recipe_of(toys, seen, size)
    asked = asked_of(seen, features_of(toys.spec), size)
    assert run(line_of(TOYS, asked, recipe, "a b.png")) == recipe
    assert (recipe.width, recipe.height) == size


@pytest.mark.parametrize("told", STATES)
def test_a_view_state_comes_back_out_of_its_recipe(toys: Opened, told: dict[str, Any]) -> None:
    """So that a picture that is dropped onto a page is seen as it is."""
    seen = state(**told)
    recipe = recipe_of(toys, seen, seen.size or SIZE)
    back = from_recipe(recipe, toys.spec).state
    assert back is not None
    assert recipe_of(toys, back, back.size or (1, 1)) == recipe


def test_a_short_line_is_short(toys: Opened) -> None:
    seen = state(codes={"shape": {"seeds": [3]}, "appearance": {"seeds": [3]}}, azimuth=30)
    line = line_of(TOYS, asked_of(seen, features_of(toys.spec), (64, 64)), recipe_of(
        toys, seen, (64, 64)), "car.png")  # fmt: skip
    assert line == "graf render --model toy-cars:128 --size 64 --seed 3 --azimuth 30 --out car.png"


def test_a_wide_window_shows_more_beside_the_square_in_its_middle(toys: Opened) -> None:
    plan = recipe_of(toys, state(fov=30), (400, 200)).plan
    assert isinstance(plan, Sweep)
    assert plan.view.fov == (56.3736,)  # 2 atan(2 tan 15°)
    tall = recipe_of(toys, state(fov=30), (200, 400)).plan
    assert isinstance(tall, Sweep)
    assert tall.view.fov == (30,)


def test_codes_lie_on_great_circles_between_seeds(toys: Opened) -> None:
    features = features_of(toys.spec)
    codes = [draw(features, seed)["shape"] for seed in (1, 2, 3, 4)]
    assert mixed(codes[:1], (0.3, 0.3)) is codes[0]
    assert torch.equal(mixed(codes, (1, 0)), codes[1])
    assert torch.equal(mixed(codes, (0, 1)), codes[2])
    assert torch.equal(mixed(codes, (1, 1)), codes[3])
    assert torch.equal(mixed(codes[:3], (0.5, 1)), codes[2])
    half = mixed(codes[:2], (0.5, 0))
    assert abs(float(half.norm() / codes[0].norm()) - 1) < 0.1, "a line would cut the sphere"


@pytest.mark.parametrize(
    ("seeds", "at", "seed"),
    [
        ((7,), (0.3, 0.9), 7), ((7, 8), (0, 0.9), 7), ((7, 8), (1, 0), 8), ((7, 8), (0.5, 0), None),
        ((7, 8, 9), (0.5, 1), 9), ((7, 8, 9), (1, 0), 8), ((7, 8, 9), (0, 0.5), None),
        ((6, 7, 8, 9), (1, 1), 9), ((6, 7, 8, 9), (0, 1), 8), ((6, 7, 8, 9), (0.1, 1), None),
    ],
)  # fmt: skip
def test_the_end_of_a_slider_is_a_seed(
    seeds: tuple[int, ...], at: tuple[float, float], seed: int | None
) -> None:
    assert Mix(seeds=seeds, at=at).seed == seed


def test_what_a_page_tells_is_read_strictly() -> None:
    wrong: tuple[Any, ...] = (
        {"azimut": 3}, {"codes": {"shape": {"seeds": []}}}, {"size": [0, 3]}, {"pose": [1, 2]},
        {"codes": {"shape": {"seeds": [1, 2, 3, 4, 5]}}}, {"azimuth": 1e99},
        {"codes": {"shape": {"seeds": [1], "at": [2, 0]}}}, {"lens": [1, 1, 1, 1]},
        {"rows": {"values": [[1], [2]]}}, {"background": "x" * 99}, [], None,
    )  # fmt: skip
    for told in wrong:
        with pytest.raises(UsageError, match=r"^The view state cannot be used: .+\.$"):
            convert(told, ViewState, "The view state")
    with pytest.raises(UsageError, match="in order"):
        convert({"keys": [{"at": 1, "look": {}}, {"at": 0, "look": {}}]}, Film, "The film")
    assert fitting((4000, 1000), 1_000_000) == (2000, 500)
    assert fitting((30, 20), 1_000_000) == (30, 20)


# films


def film(
    *keys: tuple[float, dict[str, Any]] | tuple[float, dict[str, Any], str], **more: Any
) -> Film:
    told: list[dict[str, Any]] = [
        {"at": key[0], "look": key[1], "ease": key[2] if len(key) == 3 else "linear"}
        for key in keys
    ]
    return convert({"keys": told, "frames": 9, **more}, Film, "The film")


SHAPE: Callable[[int], dict[str, Any]] = lambda seed: {"codes": {"shape": {"seeds": [seed]}}}  # noqa: E731
PLAIN = [
    film((0, {"azimuth": 0}), (1, {"azimuth": 360})),
    film((0, {"azimuth": 0, **SHAPE(1)}), (0.5, {"azimuth": 10, **SHAPE(2)}),
         (1, {"azimuth": 50, **SHAPE(1)})),
    film((0, {"fov": 20}, "smooth"), (1, {"fov": 40}), fps=12.5),
    film((0, {"azimuth": 0, **SHAPE(1)}, "smooth"), (1, {"azimuth": 360, **SHAPE(2)}),
         boomerang=True),
    film((0, {"truncation": 0.5})),
]  # fmt: skip
TAKEN_APART = [
    film((0, {"azimuth": 0}), (0.25, {"azimuth": 40}), (1, {"azimuth": 360})),
    film((0, SHAPE(1)), (0.25, SHAPE(2)), (1, SHAPE(3))),
    film((0, SHAPE(1)), (0.25, SHAPE(2)), (1, {**SHAPE(3), "azimuth": 90}), boomerang=True),
    film((0, {"azimuth": 0}, "smooth"), (0.5, {"azimuth": 40}), (1, {"azimuth": 50})),
    film((0, SHAPE(1)), (1, {"codes": {"shape": {"seeds": [1, 2], "at": [0.5, 0]}}})),
]


@pytest.mark.parametrize("made", [*PLAIN, *TAKEN_APART])
def test_the_line_of_a_film_draws_its_recipe(toys: Opened, made: Film) -> None:
    recipe = film_recipe(toys, made, SIZE)
    asked = film_asked(made, features_of(toys.spec), SIZE)
    assert run(line_of(TOYS, asked, recipe, "film.mp4")) == recipe
    assert len(recipe) == made.frames


@pytest.mark.parametrize("made", PLAIN)
def test_keyframes_at_equal_distances_are_sweeps(toys: Opened, made: Film) -> None:
    recipe = film_recipe(toys, made, SIZE)
    plan = recipe.plan
    assert isinstance(plan, Sweep)
    assert plan.subject.rows is None
    back = from_recipe(recipe, toys.spec)
    shown = back.film if len(recipe) > 1 else None
    assert shown is not None
    assert film_recipe(toys, shown, SIZE) == recipe


@pytest.mark.parametrize("made", [*TAKEN_APART, PLAIN[3]])
def test_a_film_shows_its_view_states(toys: Opened, made: Film) -> None:
    """Frame by frame, whatever the recipe's own words for it are."""
    recipe, features = film_recipe(toys, made, SIZE), features_of(toys.spec)
    for k in (0, 3, made.frames - 1):
        still = from_recipe(recipe.only(k), toys.spec).state
        seen = state_at(made, features, k)
        assert still is not None
        ours, theirs = recipe_of(toys, seen, SIZE), recipe_of(toys, still, SIZE)
        assert isinstance(ours.plan, Sweep)
        assert isinstance(theirs.plan, Sweep)
        angle = (ours.plan.view.azimuth[0] - theirs.plan.view.azimuth[0]) % 360
        assert min(angle, 360 - angle) < 1e-9
        assert _row(ours, features) == pytest.approx(_row(theirs, features), abs=1e-6)


def _row(recipe: Recipe, features: Any) -> list[float]:
    assert isinstance(recipe.plan, Sweep)
    subject = recipe.plan.subject
    if subject.rows is not None:
        return [*subject.rows.values[0]]
    drawn = {name: draw(features, seeds[0])[name] for name, seeds in subject.seeds.items()}
    return torch.cat([drawn[block.name] for block in features.blocks]).tolist()


def test_a_film_follows_the_cameras_of_a_file(toys: Opened) -> None:
    poses = [[1, 0, 0, k / 10, 0, 1, 0, 0, 0, 0, 1, 10] for k in range(9)]
    made = film((0, SHAPE(4)), poses=poses, lenses=[[64, 64, 32, 24]], size=list(SIZE))
    recipe = film_recipe(toys, made, (128, 96))
    plan = recipe.plan
    assert isinstance(plan, Sweep)
    assert plan.view.poses[3][3] == pytest.approx(0.3)
    assert plan.view.intrinsics == ((128, 128, 64.5, 48.5),)
    assert from_recipe(recipe, toys.spec).film is not None


def test_controls_move_along_a_film(balls: Opened) -> None:
    made = film((0, {"controls": {"turn": -180}}), (0.3, {}), (1, {"controls": {"turn": 180}}))
    plan = film_recipe(balls, made, (8, 8)).plan
    assert isinstance(plan, Sweep)
    turns = plan.subject.controls["turn"]
    assert len(turns) == 9
    assert turns[0] == turns[-1] == -180, "whole turns end where they began"
    seen = state(controls={"turn": 20, "object.1.size": 0.75}, truncation=0.25)
    recipe = recipe_of(balls, seen, (8, 8))
    back = from_recipe(recipe, balls.spec).state
    assert back is not None
    assert back.controls == seen.controls
    assert back.truncation == 0.25


def test_what_a_page_cannot_show_is_said(toys: Opened, balls: Opened) -> None:
    uneven = sweep(toys.ref, toys.spec, seed=(1, 2, 3), azimuth=(0, 1, 5, 9), frames=4)
    with pytest.raises(RecipeError, match="one timeline"):
        from_recipe(uneven, toys.spec)
    between = sweep(balls.ref, balls.spec, seed=(1, 2), frames=3).only(1)
    with pytest.raises(RecipeError, match="a space of its own"):
        from_recipe(between, balls.spec)


def test_a_sample_opens_at_its_first_object(toys: Opened) -> None:
    recipe = sample(toys.ref, toys.spec, 4, 5)
    first, third = (from_recipe(one, toys.spec).state for one in (recipe, recipe.only(2)))
    assert first is not None
    assert third is not None
    assert first.codes != third.codes
    assert first.size == (128, 128)


def test_a_long_recipe_is_named_and_not_told(toys: Opened) -> None:
    made = film((0, SHAPE(1)), (0.3, SHAPE(2)), (1, SHAPE(3)), frames=60)
    recipe = film_recipe(toys, made, SIZE)
    assert len(recipe.to_json()) > LONGEST
    line = line_of(TOYS, film_asked(made, features_of(toys.spec), SIZE), recipe, "film.mp4")
    assert line == "graf render --recipe film.recipe.json --out film.mp4"
    assert recipe_name("frames/") == "frames.recipe.json"
