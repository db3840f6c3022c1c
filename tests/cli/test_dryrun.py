"""`--dry-run` prints the recipe and the cost; `--recipe` runs one, overridden by options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import media
from tests.cli.conftest import CARS, Run
from tests.conftest import read_case

SMALL = (*CARS, "--size", "8", "--samples", "8")


def planned(run: Run, *words: object, **settings: Any) -> dict[str, Any]:
    """The recipe that these words would draw."""
    recipe: dict[str, Any] = json.loads(run("render", *words, "--dry-run", "-q", **settings).stdout)
    return recipe


def test_nothing_else_happens(run: Run, tmp_path: Path) -> None:
    words = ("--azimuth", "0:360", "--frames", 50, "--out", "spin.mp4", "--dry-run")
    done = run("render", *SMALL, *words)
    assert json.loads(done.stdout)["plan"]["frames"] == 50
    assert "50 frames, 25,600 samples, to download: nothing." in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["render", "sample", "grid"])
def test_as_one_object(run: Run, command: str) -> None:
    found = json.loads(run(command, *SMALL, "--dry-run", "--json").stdout)
    assert found["recipe"]["width"] == 8
    assert found["cost"]["download_bytes"] == 0
    assert found["cost"]["samples"] == found["cost"]["frames"] * 8 * 8 * 8


def test_a_model_that_is_not_here_is_not_fetched(run: Run, tmp_path: Path) -> None:
    done = run("render", "--model", "cars:64", "--dry-run", "--json", env={"GRAF_OFFLINE": ""})
    found = json.loads(done.stdout)
    assert found["cost"]["download"] == "cars:64"
    assert found["cost"]["download_bytes"] is None
    assert found["recipe"]["model"]["sha256"] is None
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_runs(run: Run, tmp_path: Path) -> None:
    plan = run("render", *SMALL, "--seed", 4, "--azimuth", 60, "--dry-run", "-q").stdout
    (tmp_path / "job.json").write_text(plan)
    run("render", *CARS, "--recipe", "job.json", "--out", "a.png")
    run("render", *SMALL, "--seed", 4, "--azimuth", 60, "--out", "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    run("render", *CARS, "--recipe", "a.png", "--out", "c.png")
    run("render", *CARS, "--recipe", "-", "--out", "d.png", input=plan)
    for name in "cd":
        assert (tmp_path / f"{name}.png").read_bytes() == (tmp_path / "a.png").read_bytes()


def test_options_override_it(run: Run, tmp_path: Path) -> None:
    words = (*SMALL, "--seed", 4, "--azimuth", "0:90", "--frames", 7, "--fps", 12)
    (tmp_path / "job.json").write_text(json.dumps(planned(run, *words)))
    base = (*CARS, "--recipe", "job.json")
    same = planned(run, *base)
    assert same == json.loads((tmp_path / "job.json").read_text())
    found = planned(run, *base, "--elevation", 30, "--size", 6, "--background", "black")
    assert (found["width"], found["samples"], found["background"]) == (6, 8, "#000000")
    assert found["plan"]["view"]["elevation"] == [30]
    assert found["plan"]["view"]["azimuth"] == [0, 90]
    assert (found["plan"]["frames"], found["plan"]["fps"]) == (7, 12)
    assert found["plan"]["subject"]["seeds"]["shape"] == [4]
    other = planned(run, *base, "--appearance", 9)["plan"]["subject"]
    assert other["seeds"] == {"shape": [4], "appearance": [9]}
    assert planned(run, *base, "--seed", 1)["plan"]["subject"]["seeds"]["shape"] == [1]


def test_the_environment_overrides_no_recipe(run: Run, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps(planned(run, *SMALL)))
    env = {"GRAF_RENDER_SIZE": "5", "GRAF_RENDER_SEED": "9", "GRAF_MODEL": "faces"}
    found = planned(run, *CARS, "--recipe", "job.json", env=env)
    assert found == json.loads((tmp_path / "job.json").read_text())
    assert planned(run, *CARS, env=env)["width"] == 5


def test_files_override_seeds_and_sweeps(run: Run, tmp_path: Path) -> None:
    case = read_case("cars")
    np.save(tmp_path / "z.npy", case.z)
    np.save(tmp_path / "p.npy", case.poses)
    (tmp_path / "job.json").write_text(
        json.dumps(planned(run, *SMALL, "--seed", 4, "--azimuth", "0:90", "--frames", 7))
    )
    base = (*CARS, "--recipe", "job.json")
    found = planned(run, *base, "--latent", "z.npy", "--poses", "p.npy")["plan"]
    rows = found["subject"]["rows"]["values"]
    assert (found["frames"], len(rows), len(found["view"]["poses"])) == (4, 4, 4)
    (tmp_path / "job.json").write_text(json.dumps(planned(run, *base, "--latent", "z.npy")))
    back = planned(run, *base, "--seed", 2)["plan"]
    assert back["subject"] == {"seeds": {"shape": [2], "appearance": [2]}}


def test_a_recipe_of_another_kind(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(run("sample", *SMALL, "--n", 3, "--dry-run", "-q").stdout)
    run("render", *CARS, "--recipe", "s.json", "--size", 6, "--out", "s/")
    assert media.image(tmp_path / "s/0002.png").shape == (6, 6, 3)
    assert "--azimuth" in run("render", *CARS, "--recipe", "s.json", "--azimuth", 3, code=2).stderr


def test_another_model_that_is_named(run: Run, tmp_path: Path) -> None:
    from tests.conftest import REFERENCE

    (tmp_path / "job.json").write_text(json.dumps(planned(run, *SMALL)))
    faces = ("--checkpoint", REFERENCE / "faces.pt", "--config", REFERENCE / "faces.json")
    done = run("render", *faces, "--recipe", "job.json", "--out", "a.png")
    assert "this draws it with faces" in done.stderr


def test_codes_of_another_length(run: Run, tmp_path: Path) -> None:
    recipe = planned(run, *SMALL)
    recipe["plan"]["subject"] = {"rows": {"values": [[0.5] * 7]}}
    (tmp_path / "job.json").write_text(json.dumps(recipe))
    assert "7 numbers" in run("render", *CARS, "--recipe", "job.json", code=1).stderr
    assert "7 numbers" in run("replay", *CARS, "job.json", code=1).stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--latent", "z.npy", "--seed", "3"), "--latent says"),
        (("--poses", "p.npy", "--azimuth", "3"), "--poses says"),
        (("--poses", "p.npy", "--frames", "3"), "does not fit"),
        (("--latent", "z.npy", "--boomerang"), "--boomerang"),
        (("--latent", "-", "--poses", "-"), "cannot both"),
        (("--show", "soul"), "soul"),
        (("--show", "depth16,rgb"), "depth16"),
        (("--depth-range", "5:3"), "near:far"),
        (("--frames", "3", "--out", "-", "--json"), "both want"),
        (("--out", "a.mp4", "--loop", "3"), "--loop"),
        (("--out", "a.png", "--codec", "h264"), "--codec"),
        (("--size", "16384"), "megapixels"),
    ],
)
def test_combinations_that_cannot_be_meant(
    run: Run, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    np.save(tmp_path / "z.npy", read_case("cars").z)
    np.save(tmp_path / "p.npy", read_case("cars").poses)
    before = set(tmp_path.iterdir())
    result = run("render", *SMALL, *words, code=2)
    assert says in result.stderr
    assert set(tmp_path.iterdir()) == before
