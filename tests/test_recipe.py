"""The Recipe: both ways through JSON, bounded, and never more than data."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from graf_cli.errors import RecipeError, UsageError
from graf_cli.recipe import (
    Dataset,
    Grid,
    Recipe,
    Samples,
    Sweep,
    check_model,
    check_subject,
    differences,
    from_json,
    model_ref,
    same,
)
from graf_cli.request import dataset, grid, override, sample, sweep
from graf_cli.scene.spec import CameraSpec
from tests.conftest import small_spec

SPEC = small_spec()
REF = model_ref(SPEC, "0" * 64)
FINITE = st.floats(-1e6, 1e6)
KEYFRAMES = st.lists(FINITE, min_size=1, max_size=4)
SEEDS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3)


def document(**options: Any) -> dict[str, Any]:
    return sweep(REF, SPEC, **options).to_plain()


def read(changed: dict[str, Any]) -> Recipe:
    return from_json(json.dumps(changed))


@given(KEYFRAMES, SEEDS, SEEDS, st.integers(1, 500), st.sampled_from(["linear", "smooth"]))
def test_sweeps_round_trip(
    azimuth: list[float], shape: list[int], appearance: list[int], frames: int, ease: Any
) -> None:
    recipe = sweep(
        REF, SPEC, azimuth=azimuth, shape=shape, appearance=appearance, frames=frames, ease=ease
    )
    assert from_json(recipe.to_json()) == recipe
    assert from_json(recipe.only(0).to_json()) == recipe.only(0)


def test_other_plans_round_trip() -> None:
    for recipe in (
        sample(REF, SPEC, 7, 3),
        grid(REF, SPEC, [1, 2], [3], azimuth=4),
        dataset(REF, SPEC, 7, 3, split=[("train", 0.9), ("val", 0.1)], tar_size=64),
        dataset(REF, SPEC, 7, poses=[[1.0] * 12] * 4),
    ):
        assert from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("width", 0),
        ("width", 10**9),
        ("width", 8.5),
        ("samples", 10**6),
        ("schema", 3),
        ("schema", 0),
        ("schema", "2"),
        ("background", "mauve"),
        ("background", "#ffffff\n"),
        ("show", []),
        ("show", ["rgb"] * 9),
        ("show", ["soul"]),
        ("show", ["depth"]),
        ("depth_range", [3, 1]),
        ("frame", 1),
        ("frame", -1),
        ("graf", "\x1b[2J"),
        ("model.name", "\x1b[2J"),
        ("model.name", ""),
        ("model.name", "a" * 300),
        ("model.sha256", "../" * 22),
        ("model.url", "https://127.0.0.1/"),
        ("plan.kind", "shell"),
        ("plan.frames", 10**12),
        ("plan.fps", 0),
        ("plan.view.azimuth", []),
        ("plan.view.azimuth", [1e300]),
        ("plan.view.azimuth", [0.0] * 5000),
        ("plan.view.fov", [180]),
        ("plan.view.poses", [[0.0] * 11]),
        ("plan.view.poses", [[0.0] * 12] * 3),
        ("plan.subject.rows", {"values": [[0.0] * 6] * 2}),
        ("plan.subject.rows", {"values": [[0.0] * 6]}),  # beside seeds
        ("plan.subject.seeds", {"shape": [2**63]}),
        ("plan.subject.seeds", {"shape": [-1]}),
        ("plan.subject.seeds", {"\x1b[2J": [1]}),
        ("plan.subject.seeds", {"shape": []}),
        ("plan.subject.controls", {"y": [1e300]}),
        ("plan.subject.controls", {"y": []}),
        ("plan.subject.truncation", -1),
        ("jitter", -1),
    ],
)
def test_what_a_recipe_cannot_hold(path: str, value: Any) -> None:
    changed = document()
    *parents, key = path.split(".")
    inside = changed
    for parent in parents:
        inside = inside[parent]
    inside[key] = value
    with pytest.raises(RecipeError) as told:
        read(changed)
    assert "\n" not in str(told.value)


def test_rows_that_differ_in_length() -> None:
    changed = document(frames=2)
    changed["plan"]["subject"] = {"rows": {"values": [[0.0] * 6, [0.0] * 5]}}
    with pytest.raises(RecipeError, match="differ in length"):
        read(changed)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "-1e999", "9" * 5000])
def test_numbers_that_are_none(text: str) -> None:
    whole = json.dumps(document(azimuth=12345.5)).replace("12345.5", text)
    with pytest.raises(RecipeError):
        from_json(whole)


@pytest.mark.parametrize("text", ["", "{", "[" * 10**6, '{"a":' * 10**5, "\xff", '"\\ud800"'])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(RecipeError):
        from_json(text.encode("latin-1"))


@given(st.binary(max_size=200))
def test_bytes_are_no_recipe(data: bytes) -> None:
    with pytest.raises(RecipeError):
        from_json(data)


def test_one_of_many() -> None:
    codes = [[float(k)] * 6 for k in range(3)]
    recipe = sweep(REF, SPEC, latents=codes)
    one = recipe.only(2)
    assert len(one) == 1
    assert one.frame == 2
    assert isinstance(one.plan, Sweep)
    assert one.plan.subject.rows is not None
    assert one.plan.subject.rows.values == ((2.0,) * 6,)
    assert one.only(0) == one
    still = sweep(REF, SPEC, seed=3)
    assert still.only(0) == still


def test_another_model_is_named_with_both_digests() -> None:
    recipe = sweep(REF, SPEC)
    check_model(recipe, REF)
    with pytest.raises(RecipeError, match="111111111111"):
        check_model(recipe, model_ref(SPEC, "1" * 64))
    farther = small_spec(camera=CameraSpec(near=2.0, far=7.0, radius=(4.0, 4.0), fov=40.0))
    with pytest.raises(RecipeError, match="settings"):
        check_model(recipe, model_ref(farther, "0" * 64))


def test_the_version_makes_no_other_recipe() -> None:
    for recipe in (sweep(REF, SPEC), sample(REF, SPEC, 7, 3), dataset(REF, SPEC, 2, 3)):
        later = replace(recipe, graf="9.9.9")
        assert later != recipe
        assert same(later, recipe)
        assert differences(later, recipe) == ""
        other = replace(later, samples=recipe.samples + 1)
        assert not same(other, recipe)
        assert (
            differences(recipe, other)
            == f"`samples` is {recipe.samples} there and {other.samples} here"
        )


def test_codes_of_another_length() -> None:
    changed = document()
    changed["plan"]["subject"] = {"rows": {"values": [[0.0] * 9]}}
    with pytest.raises(RecipeError, match="9 numbers"):
        check_subject(read(changed), SPEC)


@given(KEYFRAMES, SEEDS, st.integers(1, 50))
def test_a_recipe_overridden_by_nothing_stays(
    azimuth: list[float], shape: list[int], frames: int
) -> None:
    recipe = sweep(REF, SPEC, azimuth=azimuth, shape=shape, frames=frames, show=["rgb", "depth"])
    assert override(recipe, REF, SPEC, size=None, seed=None) == recipe
    other = override(recipe, REF, SPEC, samples=recipe.samples)
    assert other == recipe


def test_overriding_other_plans() -> None:
    recipe = override(sample(REF, SPEC, 3), REF, SPEC, truncation=0.5, size=5)
    assert isinstance(recipe.plan, Samples)
    assert (recipe.plan.truncation, recipe.width) == (0.5, 5)
    with pytest.raises(UsageError, match="`fov`"):
        override(grid(REF, SPEC, [1], [2]), REF, SPEC, fov=3)


def test_a_still_that_begins_to_move_has_as_many_frames_as_any_sweep() -> None:
    """And one whose rows of poses go has no more of their number; said numbers stay."""
    still = sweep(REF, SPEC, azimuth=20, seed=3)
    assert len(override(still, REF, SPEC, azimuth=[0, 360])) == len(
        sweep(REF, SPEC, azimuth=[0, 9])
    )
    assert len(override(still, REF, SPEC, azimuth=[0, 360], frames=5)) == 5
    assert len(override(still, REF, SPEC, elevation=5)) == 1
    pair = sweep(REF, SPEC, poses=[[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4 + k] for k in range(2)])
    assert len(override(pair, REF, SPEC, azimuth=[0, 360])) == 120
    assert len(override(pair, REF, SPEC, azimuth=5)) == 1
    assert len(override(pair, REF, SPEC, seed=5)) == 2
    moving = sweep(REF, SPEC, azimuth=[0, 90], frames=7)
    assert len(override(moving, REF, SPEC, azimuth=[0, 360])) == 7


ROW = (20.0, 21.0, 5.5, 3.5)
TWICE = (40.0, 42.0, 11.5, 7.5)  # coordinates scale about the corner, at −0.5


def test_intrinsics_scale_with_the_size() -> None:
    pose = [1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4]
    recipes = (
        sweep(REF, SPEC, size=(10, 6), poses=[pose], intrinsics=[ROW]),
        sweep(REF, SPEC, size=(10, 6), azimuth=30, intrinsics=[ROW]),
        grid(REF, SPEC, [1], [2, 3], size=(10, 6), intrinsics=[ROW]),
        dataset(REF, SPEC, 2, size=(10, 6), poses=[pose] * 2, intrinsics=[ROW, ROW]),
        dataset(REF, SPEC, 2, size=(10, 6), poses=[pose] * 3, intrinsics=[ROW] * 3).only(5),
    )
    for recipe in recipes:
        found = override(recipe, REF, SPEC, size=(20, 12)).plan
        assert not isinstance(found, Samples)
        assert set(found.view.intrinsics) == {TWICE}
        assert override(recipe, REF, SPEC, samples=5).plan == recipe.plan
        with pytest.raises(UsageError, match="proportions"):
            override(recipe, REF, SPEC, size=(20, 20))


def test_another_lens_or_other_views_replace_a_recipe_s() -> None:
    pose = [1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4]
    shared = sweep(REF, SPEC, size=(10, 6), azimuth=30, intrinsics=[ROW])
    own = sweep(REF, SPEC, size=(10, 6), poses=[pose] * 2, intrinsics=[ROW, TWICE])
    for recipe, options, rows in (
        (shared, {"fov": 50}, ()),
        (shared, {"azimuth": 60}, (ROW,)),
        (own, {"azimuth": 60}, ()),
        (own, {"intrinsics": [TWICE]}, (TWICE,)),
        (own, {"seed": 3}, (ROW, TWICE)),
    ):
        plan = override(recipe, REF, SPEC, **options).plan
        assert isinstance(plan, Sweep)
        assert plan.view.intrinsics == rows


def test_wishes_that_do_not_fit() -> None:
    pose = [1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4]
    for options, says in (
        ({"latents": [[0.0] * 6], "seed": 3}, "`latents`"),
        ({"latents": [[0.0] * 5]}, "6 numbers"),
        ({"poses": [pose], "azimuth": 3}, "`poses`"),
        ({"poses": [pose] * 2, "boomerang": True}, "`boomerang`"),
        ({"poses": [pose] * 2, "frames": 3}, "2 rows"),
        ({"intrinsics": [ROW], "fov": 30}, "`fov`"),
        ({"intrinsics": [ROW] * 2}, "`intrinsics` has 2 rows"),
        ({"intrinsics": [(0.0, 1.0, 1.0, 1.0)]}, "`intrinsics` takes"),
        ({"azimuth": []}, "numbers"),
        ({"azimuth": float("nan")}, "finite"),
        ({"elevation": 91}, "elevation"),
        ({"size": (16384, 16384)}, "megapixels"),
        ({"show": ["depth16", "rgb"]}, "depth16"),
    ):
        with pytest.raises(UsageError, match=says):
            sweep(REF, SPEC, **options)
    with pytest.raises(UsageError, match="one view"):
        grid(REF, SPEC, [1], [1], azimuth=(0, 90))


def test_lengths() -> None:
    assert len(sweep(REF, SPEC)) == 1
    assert len(sweep(REF, SPEC, azimuth=(0, 360))) == 120
    assert len(sample(REF, SPEC, 9)) == 9
    whole = grid(REF, SPEC, [1, 2], [1, 2, 3])
    assert isinstance(whole.plan, Grid)
    assert len(whole) == 6


# data sets

POSES = [[float(k)] * 12 for k in range(4)]


def test_one_picture_keeps_its_pose_and_the_first() -> None:
    recipe = dataset(REF, SPEC, 2, poses=POSES)
    assert len(recipe) == 8
    kept = [recipe.only(k).plan for k in (0, 4, 6)]
    assert all(isinstance(plan, Dataset) for plan in kept)
    rows = [[row[0] for row in plan.view.poses] for plan in kept if isinstance(plan, Dataset)]
    assert rows == [[0], [0], [0, 2]]
    assert recipe.only(6).only(0) == recipe.only(6)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("objects", 10**6, "at most 1,000,000 pictures"),
        ("views", 5, "`poses` has 4 rows for 5 views"),
        ("view.poses", [], "`poses` has 0 rows"),
        ("view.poses", [[1.0] * 12] * 2, "not a row for every view"),
        ("view.fov", [20, 30], "one field of view"),
        ("cameras", "cap", "`poses` has 4 rows"),
        ("cameras", "drone", "drone"),
        ("depth_unit", 0, "depth_unit"),
        ("tar_size", 0, "tar_size"),
        ("splits", [], "splits"),
        ("splits", [{"name": "../a", "share": 1}], "name"),
        ("splits", [{"name": "a", "share": 0.5}], "make 1 together"),
        ("splits", [{"name": "a", "share": 0.5}, {"name": "A", "share": 0.5}], "of its own"),
    ],
)
def test_what_a_data_set_cannot_be(path: str, value: Any, named: str) -> None:
    changed = dataset(REF, SPEC, 2, poses=POSES).to_plain()
    *parents, key = path.split(".")
    inside = changed["plan"]
    for parent in parents:
        inside = inside[parent]
    inside[key] = value
    with pytest.raises(RecipeError, match=named):
        read(changed)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"show": ["depth"]}, "`show`"),
        ({"cameras": "poses"}, "`poses`"),
        ({"cameras": "cap", "poses": POSES}, "`poses`"),
        ({"poses": POSES, "azimuth": 3}, "`poses`"),
        ({"poses": POSES, "views": 3}, "`views` 3"),
        ({"fov": (20, 30)}, "`fov`"),
        ({"cameras": "cap", "radius": (3, 4)}, "`radius`"),
        ({"elevation": (40, 10)}, "`elevation`"),
        ({"azimuth": (0, 10, 5)}, "`azimuth`"),
    ],
)
def test_data_sets_that_are_not_meant(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        dataset(REF, SPEC, 2, **options)


def test_parallel_rays_make_no_data_set() -> None:
    camera = CameraSpec(near=2.0, far=6.0, radius=(4.0, 4.0), fov=40.0, orthographic=True)
    with pytest.raises(UsageError, match="parallel rays"):
        dataset(REF, small_spec(camera=camera), 1, 1)


def test_a_data_set_is_overridden_but_for_its_views() -> None:
    recipe = dataset(REF, SPEC, 2, 3)
    assert override(recipe.only(4), REF, SPEC, size=12).width == 12
    with pytest.raises(UsageError, match="`azimuth`"):
        override(recipe, REF, SPEC, azimuth=3)


# every recipe

UNIT = st.floats(0.01, 5)
LOOKS = st.fixed_dictionaries(
    {},
    optional={
        "size": st.tuples(st.integers(1, 300), st.integers(1, 300)),
        "samples": st.integers(1, 4096),
        "background": st.sampled_from(["white", "#20242c", "transparent"]),
        "truncation": UNIT,
        "show": st.sampled_from([["rgb"], ["depth16"], ["rgba", "normal", "disparity"]]),
        "depth_range": st.tuples(st.floats(0, 1), st.floats(2, 9)),
        "normals": st.sampled_from(["camera", "world"]),
    },
)
ONE = st.fixed_dictionaries(
    {}, optional={"elevation": st.floats(-90, 90), "fov": st.floats(1, 179)}
)
MOVES = st.fixed_dictionaries(
    {},
    optional={
        "azimuth": KEYFRAMES,
        "radius": st.lists(UNIT, min_size=1, max_size=3),
        "shape": SEEDS,
        "appearance": SEEDS,
        "frames": st.integers(1, 500),
        "fps": UNIT,
        "ease": st.sampled_from(["linear", "smooth"]),
        "boomerang": st.booleans(),
    },
)
ROWS = st.fixed_dictionaries(
    {
        "latents": st.lists(st.lists(FINITE, min_size=6, max_size=6), min_size=3, max_size=3),
        "poses": st.lists(st.lists(FINITE, min_size=12, max_size=12), min_size=3, max_size=3),
    }
)
RECIPES = st.one_of(
    st.builds(lambda a, b, c: sweep(REF, SPEC, **a, **b, **c), LOOKS, ONE, MOVES),
    st.builds(lambda a, b: sweep(REF, SPEC, **a, **b), LOOKS, ROWS),
    st.builds(
        lambda a, n, seed: sample(REF, SPEC, n, seed, **a),
        LOOKS,
        st.integers(1, 9),
        st.integers(0, 2**63 - 1),
    ),
    st.builds(lambda a, b, s, t: grid(REF, SPEC, s, t, **a, **b), LOOKS, ONE, SEEDS, SEEDS),
    st.builds(
        lambda n, views, b, tar: dataset(REF, SPEC, n, views, tar_size=tar, cameras="orbit", **b),
        st.integers(1, 9),
        st.integers(1, 9),
        ONE,
        st.sampled_from([None, 1, 256]),
    ),
    st.builds(lambda n, rows: dataset(REF, SPEC, n, poses=rows["poses"]), st.integers(1, 9), ROWS),
)


@given(RECIPES, st.booleans(), st.sampled_from(["auto", "float32"]), st.integers(0, 10**6))
def test_every_recipe_comes_back_and_is_itself(
    asked: Recipe, exact: bool, precision: Any, number: int
) -> None:
    recipe = replace(asked, exact=exact, precision=precision)
    for one in (recipe, recipe.only(number % len(recipe))):
        again = from_json(one.to_json())
        assert again == one
        assert hash(again) == hash(one)
        assert again.to_json() == one.to_json()
        later = replace(again, graf="9.9.9")
        assert same(later, one)
        assert from_json(later.to_json()) != one
        assert differences(later, one) == ""
    picked = recipe.only(number % len(recipe))
    assert picked.only(0) == picked
    assert len(picked) == 1
    assert not same(replace(recipe, width=recipe.width + 1), recipe)
