"""What other families offer of it, on pictures that their models drew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import graf_cli as graf
from graf_cli.errors import UsageError
from graf_cli.inversion.asking import inverted, photographs_of, plan_of, problem_of
from graf_cli.inversion.coordinates import Coordinates
from graf_cli.inversion.plan import Plan, SearchPlan, Stage, plan_for
from graf_cli.inversion.problem import Candidate, Problem
from graf_cli.inversion.refine import Round, Step
from graf_cli.model.generator import Generator
from graf_cli.recipe import Sweep
from graf_cli.scene.codes import Code, Subject, draw
from tests.conftest import small_generator
from tools.parity.nerf import Case, generator_of

CASES = Path(__file__).parents[1] / "families"
FACES = CASES / "eg3d" / "cases" / "ffhq64.pkl"
GIRAFFE = CASES / "giraffe" / "cases"
PIGAN = CASES / "pigan" / "cases" / "celeba_generator.pth"
SMALL = {"size": 12, "samples": 6}
VIEWS: dict[str, dict[str, float]] = {
    "eg3d": {"azimuth": -9.0, "elevation": 3.0}, "pigan": {"azimuth": 5.0, "elevation": -4.0},
}  # fmt: skip


def plan(size: int = 16, steps: int = 6) -> Plan:
    return Plan(
        search=SearchPlan(size=12, codes=1, azimuths=8, elevations=4, kept=2),
        stages=(
            Stage(size=size, kept=2, rounds=1, steps=steps, by="adam"),
            Stage(size=size, kept=1, rounds=1, steps=steps, by="lbfgs"),
        ),
    )


def loaded(path: Path, config: Path | None = None) -> Generator:
    return graf.load(checkpoint=path, config=config, device="cpu")


def posed(generator: Generator, space: str | None, **said: Any) -> Problem:
    """Of a picture of seed 3, the camera told."""
    image = graf.render(generator, seed=3, **said).rgb.clip(0, 1)
    return problem_of(generator, photographs_of(image), said, space=space)


def before(problem: Problem) -> float:
    """Of the average object, dB."""
    return inverted(problem, plan=Plan(plan().search, ())).psnr[0]


@pytest.mark.parametrize(
    ("path", "name", "space", "shape"),
    [(PIGAN, "pigan", "film", ()), (FACES, "eg3d", "w+", (4, 16))],
)
def test_codes_are_found_where_z_is_mapped_to(
    path: Path, name: str, space: str, shape: tuple[int, ...]
) -> None:
    generator = loaded(path)
    said = {**VIEWS[name], **(SMALL if name == "pigan" else {"samples": 6})}
    asked = posed(generator, space, **said)
    found = inverted(asked, plan=plan())
    assert found.psnr[0] > before(asked) + 3
    assert isinstance(found.recipe.plan, Sweep)
    rows = found.recipe.plan.subject.rows
    assert rows is not None
    assert rows.space == space
    assert len(rows.shape) == len(shape)


def test_the_first_space_behind_z_is_looked_in_unless_another_is_asked_for() -> None:
    faces, cars = loaded(FACES), small_generator()
    blank = photographs_of(np.zeros((4, 4, 3)))
    assert problem_of(faces, blank, {}).space == "w"
    assert problem_of(faces, blank, {}, space="z").coordinates is None
    assert problem_of(cars, blank, {}).space == "z"
    with pytest.raises(UsageError, match="no codes in the `space` `w` to look for; it has `z`"):
        problem_of(cars, blank, {}, space="w")


@pytest.mark.parametrize(("path", "space"), [(PIGAN, "film"), (FACES, "w"), (FACES, "w+")])
def test_a_row_is_what_the_family_makes_of_z(path: Path, space: str) -> None:
    """Whether given as z or as its row, the scene is the same; and numbers lead there and back."""
    generator = loaded(path)
    codes = draw(generator.features, 7)
    coordinates = Coordinates.of(generator, space, {})
    row = coordinates.row(coordinates.codes(codes)["z"])
    assert row.shape == generator.features.row_shapes[space]
    points = torch.rand((5, 3), generator=torch.Generator("cpu").manual_seed(0)) * 0.1 - 0.05
    own, given = (
        generator.scene(subject, samples=4).passes[-1].density(points)[1]
        for subject in (
            Subject({"z": Code(codes["z"])}),
            Subject({"z": Code(row)}, space),
        )
    )
    torch.testing.assert_close(own, given, rtol=1e-3, atol=1e-3)


def test_of_a_nerf_the_camera_alone_is_looked_for() -> None:
    cases = CASES / "nerf" / "cases"
    generator = loaded(cases / "lego.tar", cases / "lego.txt")
    said: dict[str, Any] = {"azimuth": 60.0, "elevation": 40.0, "size": 16, "samples": 24}
    image = graf.render(generator, **said).rgb.clip(0, 1)
    del said["elevation"]
    search = SearchPlan(size=16, elevations=24, kept=2, apart=6.0)  # its noise has narrow valleys
    stages = (Stage(size=16, kept=2, rounds=1, steps=8, by="adam"),)
    found = inverted(problem_of(generator, photographs_of(image), said), plan=Plan(search, stages))
    view = found.recipe.plan
    assert isinstance(view, Sweep)
    assert view.subject.rows is None
    assert view.view.elevation[0] == pytest.approx(40, abs=2)


def test_a_compass_finds_the_camera_of_a_rough_scene() -> None:
    """Whose gradients point anywhere; it is what a scene without codes is looked at by."""
    cases = CASES / "nerf" / "cases"
    generator = loaded(cases / "lego.tar", cases / "lego.txt")
    said: dict[str, Any] = {"size": 12, "samples": 12}
    image = graf.render(generator, azimuth=60.0, elevation=40.0, **said).rgb.clip(0, 1)
    asked = problem_of(generator, photographs_of(image), said)
    assert [stage.by for stage in plan_of(asked).stages] == ["compass", "compass", "lbfgs"]
    begun = Candidate({}, (replace(asked.middle(0), azimuth=65.0, elevation=37.0),))
    told: list[Step] = []
    steps = 60
    found = Round(asked, begun, Stage(12, 1, 1, steps, "compass"), told.append).run()
    assert found.standpoints[0].azimuth == pytest.approx(60, abs=0.5)
    assert found.standpoints[0].elevation == pytest.approx(40, abs=0.5)
    assert found.loss < told[0].loss / 10
    assert len(told) < steps + 9


def test_of_objects_before_a_camera_that_stays_codes_are_found() -> None:
    """Where they stand is told."""
    cases = CASES / "giraffe" / "cases"
    generator = loaded(cases / "cars.pt", cases / "cars.json")
    asked = posed(generator, None, azimuth=20.0, samples=16)
    assert plan_of(asked) == plan_for(cameras_known=True)
    assert asked.controls["turn"] == 20
    found = inverted(asked, plan=plan(64))
    assert found.psnr[0] > before(asked) + 3


def giraffe(name: str) -> Generator:
    return loaded(GIRAFFE / f"{name}.pt", GIRAFFE / f"{name}.json")


def test_what_a_network_paints_is_compared_at_its_one_size() -> None:
    """Of a smaller map it paints another picture, even of the very codes."""
    generator = giraffe("cars")
    asked = posed(generator, None, azimuth=20.0, samples=16)
    scale = generator.features.truncation_default
    codes = {name: scale * code for name, code in draw(generator.features, 3).items()}
    told: list[Step] = []
    candidate = Candidate(codes, (asked.middle(0),))
    Round(asked, candidate, Stage(32, 1, 1, 1, "adam"), told.append).run()
    assert told[0].psnr > 40


def test_several_objects_are_looked_for_one_after_the_other() -> None:
    """More of them than in training, whose codes come last in a row, and then all together."""
    generator = giraffe("church")
    said: dict[str, Any] = {"azimuth": 20.0, "objects": 2, "samples": 16}
    asked = posed(generator, None, **said)
    first, *later = plan_of(asked).stages
    assert first.by == "turns"
    assert {stage.by for stage in later} == {"lbfgs"}
    assert plan_of(posed(generator, None, azimuth=20.0, samples=16)).stages[0].by == "adam"
    found = inverted(asked, plan=Plan(SearchPlan(codes=1), (replace(first, kept=1, steps=3),)))
    assert found.psnr[0] > before(asked) + 3
    assert isinstance(found.recipe.plan, Sweep)
    assert found.recipe.plan.subject.rows is not None
    assert len(found.recipe.plan.subject.rows.values[0]) == 4 * 16 + 2 * 8


def test_in_its_turn_one_object_moves_and_the_others_stay() -> None:
    generator = giraffe("church")
    asked = posed(generator, None, azimuth=20.0, objects=2, samples=16)
    codes = {name: torch.zeros_like(code) for name, code in draw(asked.features, 0).items()}
    seen: list[dict[str, torch.Tensor]] = []
    made = Round(
        asked, Candidate(codes, (asked.middle(0),)), Stage(32, 1, 1, 1, "turns"),
        lambda _: seen.append(dict(made.unknowns.candidate(0).codes)),
    )  # fmt: skip
    made.run()
    moved = [
        {name.rsplit(".", 1)[0] for name in codes if not torch.equal(one[name], two[name])}
        for one, two in zip(seen[::2], seen[1::2], strict=True)
    ]
    assert moved == [{"object.0"}, {"object.1"}, {"background"}] * 3


def test_objects_that_are_left_out_get_no_turn() -> None:
    generator = giraffe("options")  # of three objects
    blank = photographs_of(np.zeros((44, 44, 3)))
    two, one = (problem_of(generator, blank, {"objects": count}) for count in (2, 1))
    assert two.by_object()[1:] == [
        ["object.1.shape", "object.1.appearance"], ["background.shape", "background.appearance"]
    ]  # fmt: skip
    assert two.several
    assert not one.several


def test_a_scene_of_several_photographs_is_one_scene() -> None:
    generator = giraffe("church")
    blank = photographs_of([np.zeros((48, 48, 3))] * 2)
    with pytest.raises(UsageError, match="control `turn` has 2 values; all photographs are of one"):
        problem_of(generator, blank, {"azimuth": (10.0, 20.0)})


def test_conditioning_that_follows_the_camera_is_refused() -> None:
    generator = loaded(FACES)
    follow = generator.features.following
    assert follow is not None
    with pytest.raises(UsageError, match="each camera makes another object"):
        problem_of(generator, photographs_of(np.zeros((4, 4, 3))), {"controls": {follow: 1}})


def test_scenes_that_only_poses_say_cameras_of_want_poses() -> None:
    generator = generator_of(Case(CASES / "nerf" / "cases", "fern"))
    with pytest.raises(UsageError, match=r"cannot be inverted yet.*give `poses`"):
        problem_of(generator, photographs_of(np.zeros((4, 4, 3))), {})
