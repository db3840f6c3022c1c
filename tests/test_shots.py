"""A Recipe becomes Shots: sweeps, turns, easing, boomerangs, samples, grids."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.errors import RecipeError
from graf_cli.families.graf.scene import Codes, codes_of
from graf_cli.families.graf.scene import draw_codes as draw
from graf_cli.model.families import spec_of
from graf_cli.model.spec import features_of
from graf_cli.recipe import Recipe, from_json, model_ref
from graf_cli.rendering.shot import Shot
from graf_cli.request import dataset, grid, sample, sweep
from graf_cli.scene.codes import Code, along_great_circle
from graf_cli.scene.spec import CameraSpec, ModelSpec
from graf_cli.shots import Pace, Shots, at, outside_training
from tests.conftest import small_spec
from tests.families import made_up

SPEC = small_spec()
REF = model_ref(SPEC, None)
KEYFRAMES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5)
FRAMES = st.integers(2, 60)


def codes(shot: Shot) -> Codes:
    return codes_of(SPEC.settings, shot.subject)


def shots(**options: Any) -> Shots:
    return Shots(sweep(REF, SPEC, **options), SPEC)


@given(KEYFRAMES, FRAMES, st.sampled_from(["linear", "smooth"]))
def test_sweeps_include_both_ends_and_stay_between(
    keyframes: list[float], frames: int, ease: Any
) -> None:
    pace = Pace(frames, ease)
    values = [at(keyframes, k, pace) for k in range(frames)]
    assert values[0] == keyframes[0]
    assert values[-1] == pytest.approx(keyframes[-1], abs=1e-6)
    assert min(keyframes) - 1e-6 <= min(values)
    assert max(values) <= max(keyframes) + 1e-6


@given(st.floats(-720, 720), st.integers(1, 3), FRAMES)
def test_whole_turns_never_repeat_their_first_frame(start: float, turns: int, frames: int) -> None:
    ends = (start, start + 360 * turns)
    values = [at(ends, k, Pace(frames), turns=True) for k in range(frames)]
    assert values[-1] + 360 * turns / frames == pytest.approx(ends[1])


@given(KEYFRAMES, st.integers(1, 30))
def test_boomerangs_mirror_themselves(keyframes: list[float], half: int) -> None:
    frames = 2 * half
    values = [at(keyframes, k, Pace(frames, boomerang=True)) for k in range(frames)]
    assert values[0] == keyframes[0]
    assert values[half] == pytest.approx(keyframes[-1], abs=1e-6)
    assert values[1:half] == values[:half:-1]


def test_smooth_starts_and_ends_slowly() -> None:
    values = [at((0, 1), k, Pace(11, "smooth")) for k in range(11)]
    steps = np.diff(values)
    assert (steps > 0).all()
    assert steps.argmax() in (4, 5)
    assert steps[0] < steps[5] / 4
    assert values[5] == pytest.approx(0.5)


def test_a_keyframe_at_equal_distances() -> None:
    assert [at((0, 10, 0), k, Pace(5)) for k in range(5)] == [0, 5, 10, 5, 0]


def test_whole_numbers_stay_equally_long() -> None:
    pace = Pace(frames=126)
    up = [at((1, 6), k, pace, whole=True) for k in range(126)]
    assert [up.count(value) for value in (1, 2, 3, 4, 5, 6)] == [21] * 6
    assert [at((1, 6), k, Pace(6), whole=True) for k in range(6)] == [1, 2, 3, 4, 5, 6]
    assert [at((3, 1), k, Pace(3), whole=True) for k in range(3)] == [3, 2, 1]
    assert {at((2,), k, Pace(5), whole=True) for k in range(5)} == {2}


def test_objects_go_along_great_circles() -> None:
    found = shots(shape=(1, 2), appearance=7, frames=3)
    a, b = draw(SPEC.settings.latent, 1), draw(SPEC.settings.latent, 2)
    assert torch.equal(codes(found[0]).shape, a.shape)
    assert torch.equal(codes(found[2]).shape, b.shape)
    assert torch.allclose(codes(found[1]).shape, along_great_circle(Code(a.shape, b.shape, 0.5)))
    same = draw(SPEC.settings.latent, 7).appearance
    assert all(torch.equal(codes(shot).appearance, same) for shot in found)


def test_truncation_scales_codes() -> None:
    whole, half = shots(seed=3)[0], shots(seed=3, truncation=0.5)[0]
    assert torch.allclose(codes(whole).shape, 2 * codes(half).shape)


def test_one_of_many_is_the_same_shot() -> None:
    poses = [[1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4 + k] for k in range(3)]
    rows = [[float(k)] * 6 for k in range(3)]
    lenses = [(20.0 + k, 21.0, 4.0, 3.0 + k) for k in range(3)]
    recipes = (
        sweep(REF, SPEC, poses=poses, intrinsics=lenses),
        sweep(REF, SPEC, azimuth=(0, 90), frames=3, intrinsics=lenses[:1]),
        dataset(REF, SPEC, 2, poses=poses, intrinsics=lenses),
        dataset(REF, SPEC, 2, poses=poses, intrinsics=lenses[:1]),
        sweep(REF, SPEC, azimuth=(0, 360), elevation=(10, 40, 5), shape=(1, 2), frames=5),
        sweep(REF, SPEC, latents=rows, poses=poses, fov=(30, 50)),
        sample(REF, SPEC, 4, 9),
        grid(REF, SPEC, [1, 2], [3, 4]),
        dataset(REF, SPEC, 2, 3, 9),
        dataset(REF, SPEC, 2, 3, 9, cameras="orbit", elevation=(5, 40)),
        dataset(REF, SPEC, 2, 3, 9, cameras="cap", fov=30),
        dataset(REF, SPEC, 2, poses=poses),
    )
    for recipe in recipes:
        for k in range(len(recipe)):
            [alone] = Shots(from_json(recipe.only(k).to_json()), SPEC)
            shot = Shots(recipe, SPEC)[k]
            assert np.array_equal(alone.camera.pose, shot.camera.pose)
            assert alone.camera.fov == shot.camera.fov
            assert alone.camera.lens == shot.camera.lens
            assert alone.key == shot.key
            assert recipe.only(k).only(0) == recipe.only(k)
            assert torch.equal(codes(alone).shape, codes(shot).shape)
            assert torch.equal(codes(alone).appearance, codes(shot).appearance)


def test_a_sample_is_the_same_whatever_n_is() -> None:
    few, many = (Shots(sample(REF, SPEC, n, 5), SPEC) for n in (2, 9))
    for a, b in zip(few, many, strict=False):
        assert np.array_equal(a.camera.pose, b.camera.pose)
        assert torch.equal(codes(a).shape, codes(b).shape)


# data sets


def test_an_object_of_a_data_set_is_the_same_whatever_n_is() -> None:
    few, many = (Shots(dataset(REF, SPEC, n, 3, 5), SPEC) for n in (2, 9))
    sampled = Shots(sample(REF, SPEC, 2, 5), SPEC)
    for k, (a, b) in enumerate(zip(few, many, strict=False)):
        assert np.array_equal(a.camera.pose, b.camera.pose)
        assert torch.equal(codes(a).shape, codes(b).shape)
        assert torch.equal(codes(a).shape, codes(sampled[k // 3]).shape)
    assert len({shot.camera.pose.tobytes() for shot in many}) == 27
    assert len({codes(shot).shape.numpy().tobytes() for shot in many}) == 9


@given(st.integers(1, 40), st.sampled_from(["model", "orbit", "cap"]), st.integers(0, 2**63 - 1))
def test_cameras_stand_where_the_model_was_trained(views: int, cameras: Any, seed: int) -> None:
    camera = CameraSpec(near=2.0, far=6.0, radius=(3.5, 4.5), fov=40.0, u=(0.1, 0.3), v=(0.2, 0.45))
    spec = small_spec(camera=camera)
    recipe = dataset(REF, spec, 2, views, seed, cameras=cameras)
    assert outside_training(recipe, spec) is None
    found = Shots(recipe, spec)
    eyes = np.array([shot.camera.eye for shot in found])
    radius = np.linalg.norm(eyes, axis=1)
    azimuth = np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0])) % 360
    elevation = np.degrees(np.arcsin(eyes[:, 2] / radius))
    for values, (low, high) in (
        (azimuth, camera.azimuth), (elevation, camera.elevation), (radius, camera.radius)
    ):  # fmt: skip
        assert (values >= low - 1e-6).all()
        assert (values <= high + 1e-6).all()
    assert all(shot.camera.fov == 40 for shot in found)


def test_an_orbit_goes_round_once_for_each_object() -> None:
    found = Shots(dataset(REF, SPEC, 2, 8, cameras="orbit", elevation=(10, 45)), SPEC)
    eyes = np.array([shot.camera.eye for shot in found])
    assert np.allclose(eyes[:8], eyes[8:])
    azimuth = np.degrees(np.unwrap(np.arctan2(eyes[:8, 1], eyes[:8, 0])))
    assert np.allclose(np.diff(azimuth), 45)
    elevation = np.degrees(np.arcsin(eyes[:8, 2] / 4))
    assert np.allclose(elevation, np.linspace(10, 45, 8))


def test_a_picture_of_a_data_set_belongs_to_the_series_of_its_object() -> None:
    """So that it is drawn again to the last bit, be it taken out of the data set."""
    poses = [[1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4 + k] for k in range(3)]
    for recipe in (dataset(REF, SPEC, 2, 3, 9), dataset(REF, SPEC, 2, poses=poses)):
        for k in range(len(recipe)):
            whole = Shots(recipe, SPEC).series(k)
            alone = Shots(from_json(recipe.only(k).to_json()), SPEC).series(0)
            assert whole.key == alone.key
            assert whole.pictures == 3
            assert whole.key == Shots(recipe, SPEC).series(k - k % 3).key


def test_views_of_a_data_set_outside_the_training_range() -> None:
    for options in ({"radius": (4, 5)}, {"cameras": "orbit", "radius": (3, 4)}):
        said = outside_training(dataset(REF, SPEC, 1, 5, **options), SPEC)
        assert "radius" in str(said)


def test_rows_share_a_shape_columns_an_appearance() -> None:
    found = list(Shots(grid(REF, SPEC, [1, 2], [3, 4, 5]), SPEC))
    rows = list(itertools.batched(found, 3)) if hasattr(itertools, "batched") else None
    rows = rows or [tuple(found[:3]), tuple(found[3:])]
    for row in rows:
        assert all(torch.equal(codes(shot).shape, codes(row[0]).shape) for shot in row)
    for above, below in zip(*rows, strict=True):
        assert torch.equal(codes(above).appearance, codes(below).appearance)


def test_slices_and_bounds() -> None:
    found = shots(azimuth=(0, 90), frames=4)
    assert len(found[1:3]) == 2
    assert np.array_equal(found[-1].camera.pose, found[3].camera.pose)
    with pytest.raises(IndexError):
        found[4]


def test_transparent_pictures_stand_on_nothing() -> None:
    assert shots(background="transparent")[0].background == (0, 0, 0)
    assert shots(background="#ff0080")[0].background == (1, 0, 128 / 255)


def test_codes_of_another_model() -> None:
    recipe = sweep(REF, SPEC)
    seeds = '"seeds":{"shape":[0],"appearance":[0]}'
    assert seeds in recipe.to_json()
    text = recipe.to_json().replace(seeds, '"rows":{"values":[[1,2]]}')
    with pytest.raises(RecipeError, match="2 numbers"):
        Shots(from_json(text), SPEC)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, None),
        ({"radius": (4, 5)}, "radius"),
        ({"azimuth": (-400, 900)}, None),
        ({"poses": [[1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]]}, "radius"),
    ],
)
def test_views_outside_the_training_range(options: dict[str, Any], named: str | None) -> None:
    said = outside_training(sweep(REF, SPEC, **options), SPEC)
    assert (said is None) == (named is None)
    assert named is None or named in str(said)


@pytest.mark.parametrize(("radius", "told"), [(4.00005, "4.00005"), (4.2, "4.2"), (3.99, "3.99")])
def test_a_view_outside_is_told_with_digits_that_show_it(radius: float, told: str) -> None:
    pose = [1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, radius]
    said = outside_training(sweep(REF, SPEC, poses=[pose]), SPEC)
    assert f"radius 4 (here {told})" in str(said)
    almost = [*pose[:11], 4 * (1 + 1e-7)]
    assert outside_training(sweep(REF, SPEC, poses=[almost]), SPEC) is None


def test_a_long_sweep_is_looked_over_quickly() -> None:
    recipe: Recipe = sweep(REF, SPEC, radius=(4, 9), frames=1_000_000)
    assert "radius" in str(outside_training(recipe, SPEC))


def test_a_turntable_is_one_series_and_changing_shapes_are_many() -> None:
    turn = shots(azimuth=(0, 360), appearance=(1, 2), frames=5)
    assert {turn.series(k).key for k in range(5)} == {(turn[0].key, 5)}
    morph = shots(shape=(1, 2), frames=3)
    assert [morph.series(k).key for k in range(3)] == [(morph[k].key, 1) for k in range(3)]
    rows = Shots(sweep(REF, SPEC, latents=[[0.0] * 6] * 3), SPEC)
    assert rows.series(2).key == (rows[2].key, 1)
    still = Shots(sweep(REF, SPEC, latents=[[0.0] * 6], azimuth=(0, 90), frames=3), SPEC)
    assert still.series(2).key == (still[0].key, 3)


def test_rows_of_a_grid_are_series_and_samples_are_not() -> None:
    sheet = Shots(grid(REF, SPEC, [1, 2], [3, 4, 5]), SPEC)
    firsts = [sheet[3 * (k // 3)].key for k in range(6)]
    assert [sheet.series(k).key for k in range(6)] == [(first, 3) for first in firsts]
    drawn = Shots(sample(REF, SPEC, 3, 9), SPEC)
    assert [drawn.series(k).key for k in range(3)] == [(drawn[k].key, 1) for k in range(3)]
    with pytest.raises(IndexError):
        drawn.series(3)


def test_one_of_many_is_a_series_of_its_own() -> None:
    recipe = sweep(REF, SPEC, azimuth=(0, 360), frames=5)
    alone = Shots(recipe.only(3), SPEC)
    assert alone.series(0).key == (alone[0].key, 1)


# other families: what their features say


@pytest.fixture
def ball(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModelSpec:
    made_up.install(monkeypatch, tmp_path)
    return made_up.spec_of()


def of(spec: ModelSpec, **options: Any) -> Shots:
    return Shots(sweep(model_ref(spec, None), spec, **options), spec)


def test_what_shares_its_geometry_is_a_series(ball: ModelSpec) -> None:
    ref = model_ref(ball, None)
    assert of(ball, codes={"paint": (1, 2)}, azimuth=(0, 90), frames=4).together == 4
    assert of(ball, codes={"room": (1, 2)}, frames=4).together == 1
    assert of(ball, controls={"lamp": (0, 1)}, frames=4).together == 1
    assert of(ball, controls={"lamp": 0.5}, azimuth=(0, 90), frames=4).together == 4
    for columns, together in (({"paint": (1, 2)}, 2), ({"azimuth": (1, 2)}, 2),
                              ({"seed": (1, 2)}, 1), ({"lamp": (0, 1)}, 1)):  # fmt: skip
        sheet = Shots(grid(ref, ball, rows={"fov": (30, 40)}, columns=columns), ball)
        assert (len(sheet), sheet.together) == (4, together)


def test_what_moves_with_the_view_is_no_series(
    ball: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = msgspec.structs.replace(made_up.features(made_up.Spec()), azimuth="objects")
    monkeypatch.setattr(spec_of(made_up.NAME), "features", lambda _: turned)
    assert of(ball, azimuth=(0, 90), frames=4).together == 1
    assert of(ball, codes={"paint": (1, 2)}, frames=4).together == 4


def test_controls_follow_their_keyframes(ball: ModelSpec) -> None:
    found = of(ball, controls={"turn": (0, 360), "object.1.size": (1, 1.5, 1)}, frames=4)
    assert [shot.subject.controls.get("turn", 0) for shot in found] == [0, 90, 180, 270]
    sizes = [shot.subject.controls.get("object.1.size") for shot in found]
    assert sizes == pytest.approx([None, 4 / 3, 4 / 3, None])
    eased = of(ball, controls={"lamp": (0, 1)}, frames=5, ease="smooth", boomerang=True)
    lamps = [shot.subject.controls.get("lamp", 1.0) for shot in eased]
    assert lamps[0] == 0
    assert lamps[1] == lamps[4]
    assert len({shot.key for shot in eased}) == 3


def test_rows_stand_for_codes_in_their_space(ball: ModelSpec) -> None:
    [shot] = of(ball, latents=[[[0.0, 1, 2], [3, 4, 5]]], space="w+")
    assert shot.subject.space == "w+"
    assert {name: code.start.tolist() for name, code in shot.subject.codes.items()} == {
        "body": [[0, 1, 2], [3, 4, 5]]
    }
    [row] = of(ball, latents=[[float(k) for k in range(8)]])
    assert row.subject.codes["room"].start.tolist() == [6, 7]


def test_jitter_makes_another_shot(ball: ModelSpec) -> None:
    keys = {of(ball, jitter=jitter)[0].key for jitter in (None, 0, 1)}
    assert len(keys) == 3


def test_large_seeds_of_an_old_generator(ball: ModelSpec) -> None:
    codes = [of(ball, seed=seed)[0].subject.codes["body"].start for seed in (1, 1 + (1 << 32))]
    assert not torch.equal(*codes)
    assert codes[0].numpy() == pytest.approx(np.random.RandomState(1).randn(8)[:3])


def test_a_recipe_of_another_family(ball: ModelSpec) -> None:
    with pytest.raises(RecipeError, match="codes called `appearance` and `shape`, but `ball:8`"):
        Shots(sweep(REF, SPEC), ball)
    recipe = of(ball, controls={"lamp": 0.5}, jitter=3).recipe
    text = recipe.to_json().replace(
        '"body":[0],"paint":[0],"room":[0]', '"shape":[0],"appearance":[0]'
    )
    with pytest.raises(RecipeError, match="control `lamp`"):
        Shots(from_json(text), SPEC)
    with pytest.raises(RecipeError, match="random numbers"):
        Shots(from_json(text.replace('"controls":{"lamp":[0.5]},', "")), SPEC)


def test_controls_match_their_wildcards(ball: ModelSpec) -> None:
    features = features_of(ball)
    for name in ("object.0.size", "object.12.size"):
        assert features.control(name) is features.controls[0]
    for name in ("object.*.size", "object.01.size", "object..size", "object.0.size.y", "sizes"):
        assert features.control(name) is None
