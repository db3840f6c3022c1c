"""An inversion finds what a picture was made of, stops when it is told to, and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graf_cli as graf
from graf_cli.errors import OutputError, UsageError
from graf_cli.inversion.asking import inverted, photographs_of, plan_of, problem_of
from graf_cli.inversion.problem import Candidate, Problem
from graf_cli.inversion.run import Inversion, Report, hopeful
from graf_cli.recipe import Sweep
from tests.conftest import small_generator
from tests.inversion.objects import PLAN, eggs, photograph

VIEW: dict[str, Any] = {"azimuth": 140.0, "elevation": 35.0}
ASKED = {"size": (24, 24), "samples": 32}


def problem(**said: object) -> Problem:
    generator = eggs()
    return problem_of(generator, photographs_of(photograph(generator, **VIEW)), {**ASKED, **said})


def test_camera_and_codes_are_found() -> None:
    """Front and rear are told apart, and the recipe draws what was found."""
    found = inverted(problem(), plan=PLAN)
    plan = found.recipe.plan
    assert isinstance(plan, Sweep)
    assert plan.view.azimuth[0] == pytest.approx(140, abs=2)
    assert plan.view.elevation[0] == pytest.approx(35, abs=2)
    assert found.finished
    assert found.psnr[0] > 30
    assert plan.subject.rows is not None
    assert len(plan.subject.rows.values[0]) == 6
    assert plan.subject.truncation == 1


def test_the_answer_is_the_same_every_time_and_the_seed_s() -> None:
    one, two = (inverted(problem(**VIEW), plan=PLAN, seed=1).recipe for _ in range(2))
    assert one == two
    assert inverted(problem(**VIEW), plan=PLAN, seed=2).recipe != one


def test_several_photographs_share_the_codes() -> None:
    generator = eggs()
    views: list[dict[str, Any]] = [VIEW, {"azimuth": 250.0, "elevation": 20.0}]
    images = [photograph(generator, **view) for view in views]
    known = {"azimuth": (140.0, 250.0), "elevation": (35.0, 20.0)}
    found = inverted(problem_of(generator, photographs_of(images), {**ASKED, **known}), plan=PLAN)
    assert len(found.recipe) == len(found.psnr) == 2
    assert min(found.psnr) > 30
    assert isinstance(found.recipe.plan, Sweep)
    assert len(found.recipe.plan.view.poses) == 2


def test_a_mask_leaves_out_what_lies_beside_the_object() -> None:
    generator = eggs()
    frame = graf.render(generator, seed=3, size=24, samples=32, **VIEW)
    clutter = np.random.default_rng(0).random((24, 24, 3)).astype(np.float32)
    cover = frame.opacity[..., None]
    image = (frame.on_black + (1 - cover) * clutter).clip(0, 1)
    masked = problem_of(
        generator, photographs_of(image, frame.opacity.clip(0, 1)), {**ASKED, **VIEW}
    )
    bare = problem_of(generator, photographs_of(image), {**ASKED, **VIEW})
    assert inverted(masked, plan=PLAN).psnr[0] > inverted(bare, plan=PLAN).psnr[0] + 10


def test_what_was_interrupted_goes_on_to_the_same_answer(tmp_path: Path) -> None:
    """Wherever it was told to end: while starts are scored, in a round, between rounds."""
    asked = problem(azimuth=140.0)
    whole = inverted(asked, plan=PLAN)
    path = tmp_path / ".found.json.progress"
    runs = 0
    while True:
        told: list[Report] = []
        found = inverted(
            asked, plan=PLAN, path=path, resume=True, tell=told.append,
            ending=lambda told=told: len(told) > 20,  # type: ignore[misc]
        )  # fmt: skip
        runs += 1
        assert found.psnr[0] > 0
        if found.finished:
            break
        assert path.exists()
    assert runs > 1
    assert not path.exists()
    assert found.recipe == whole.recipe


def test_a_search_that_was_interrupted_is_done_again_whole(tmp_path: Path) -> None:
    asked, path = problem(azimuth=140.0), tmp_path / "progress"
    early = inverted(asked, plan=PLAN, path=path, ending=lambda: True)
    assert not early.finished
    gone_on = inverted(asked, plan=PLAN, path=path, resume=True)
    assert gone_on.recipe == inverted(asked, plan=PLAN).recipe
    assert gone_on.finished


def test_progress_of_another_inversion_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    inverted(problem(**VIEW), plan=PLAN, path=path, ending=lambda: True)
    with pytest.raises(OutputError, match="another inversion"):
        Inversion(problem(**VIEW), PLAN, 5, path=path).resume()
    path.write_text("{}")
    with pytest.raises(OutputError, match="cannot be read as the progress"):
        Inversion(problem(**VIEW), PLAN, 0, path=path).resume()


def test_a_budget_that_is_used_up_leaves_an_answer() -> None:
    found = inverted(problem(), plan=PLAN, seconds=1e-6)
    assert not found.finished
    assert len(found.recipe) == 1


def test_candidates_that_are_far_behind_are_given_up() -> None:
    """Once they are refined: what starts are scored by says less."""
    losses = (0.5, 0.1, 0.19, 0.3)
    found = [Candidate({}, (), loss) for loss in losses]
    assert [one.loss for one in hopeful(found, 3, refined=True)] == [0.1, 0.19]
    assert [one.loss for one in hopeful(found, 3, refined=False)] == [0.1, 0.19, 0.3]
    assert [one.loss for one in hopeful(found, 1, refined=False)] == [0.1]


def test_reports_tell_how_far_it_is() -> None:
    told: list[Report] = []
    inverted(problem(azimuth=140.0), plan=PLAN, tell=told.append)
    assert {one.stage for one in told} == {0, 1, 2}
    assert all(one.stages == 3 for one in told)
    assert [one.stage for one in told] == sorted(one.stage for one in told)
    last = [one.loss for one in told if one.stage == 2]
    assert last == sorted(last, reverse=True)


def test_a_callback_ends_it() -> None:
    generator = eggs()
    image = photograph(generator, **VIEW)
    found = graf.invert(
        generator, image, callback=lambda _: True, starts=1, size=24, samples=16, **VIEW
    )
    assert not found.finished


def test_what_cannot_be_meant_is_refused() -> None:
    generator = eggs()
    images = photographs_of([photograph(generator, **VIEW)] * 2)
    for said, words in (
        ({"azimuth": (1.0, 2.0, 3.0)}, "`azimuth` has 3 values for 2 photographs"),
        ({"poses": [[1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4]]}, "1 cameras for 2 photographs"),
        ({"fov": (20.0, 30.0)}, "`fov` is one number"),
        ({"background": "transparent"}, "give its colour, or a `mask`"),
    ):
        with pytest.raises(UsageError, match=words):
            problem_of(generator, images, said)
    with pytest.raises(UsageError, match="`prior` -1 is not a weight"):
        problem_of(generator, images, {}, -1)
    with pytest.raises(UsageError, match="`seconds` 0 is not a time"):
        inverted(problem(), seconds=0)
    with pytest.raises(UsageError, match="`starts` 0 tries nothing"):
        plan_of(problem(), 0)
    with pytest.raises(UsageError, match="There is no argument `azimut`"):
        graf.invert(generator, photograph(generator), azimut=3)


def test_a_plan_suits_what_is_known() -> None:
    assert plan_of(problem()).search.codes < plan_of(problem(**VIEW)).search.codes
    assert plan_of(problem(), 3).search.codes == plan_of(problem(**VIEW), 3).search.codes == 3


def test_a_graf_can_be_inverted_in_poses_given() -> None:
    generator = small_generator()
    frame = graf.render(generator, seed=1, size=8)
    poses = [frame.shot.camera.pose.flatten().tolist()]
    problem = problem_of(
        generator, photographs_of(frame.rgb.clip(0, 1)), {"poses": poses, "size": (8, 8)}
    )
    found = inverted(problem, plan=PLAN)
    assert isinstance(found.recipe.plan, Sweep)
    assert found.recipe.plan.view.poses[0] == pytest.approx(poses[0])
