"""`graf replay`: what a file says that it shows is drawn again, pixel for pixel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests import media
from tests.cli.conftest import CARS, Run
from tests.conftest import REFERENCE, read_case

SMALL = (*CARS, "--size", "9x7", "--samples", "8")
FACES = ("--checkpoint", REFERENCE / "faces.pt", "--config", REFERENCE / "faces.json")


@pytest.mark.parametrize(
    "name", ["png", "jpg", "webp", "exr", "gif", "apng", "npz", "tar", "mp4", "webm", "mov"]
)
def test_the_same_bytes(run: Run, tmp_path: Path, name: str) -> None:
    if name == "exr":
        pytest.importorskip("OpenEXR")
    sweep = () if name in ("png", "jpg", "exr") else ("--azimuth", "0:90", "--frames", 3)
    run("render", *SMALL, "--seed", 3, *sweep, "--show", "rgb,normal", "--out", f"a.{name}")
    assert run("replay", *CARS, f"a.{name}").stdout == f"a-replay.{name}\n"
    first, again = ((tmp_path / f"{stem}.{name}").read_bytes() for stem in ("a", "a-replay"))
    assert first == again


@pytest.mark.parametrize("way", [("--exact",), ("--precision", "bfloat16")])
def test_how_it_was_drawn_is_drawn_again(run: Run, tmp_path: Path, way: tuple[str, ...]) -> None:
    run("render", *SMALL, "--size", 24, *way, "--out", "a.npz")
    run("replay", *CARS, "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "a-replay.npz").read_bytes()


def test_one_picture_of_a_sequence(run: Run, tmp_path: Path) -> None:
    """Its pixels do not depend on the pictures that were drawn before it."""
    words = ("--size", 24, "--shape", "1:2", "--azimuth", "0:360", "--frames", 5, "--out", "seq/")
    run("render", *CARS, *words)
    for k in (0, 3, 4):
        run("replay", *CARS, f"seq/000{k}.png", "--out", "again.png")
        assert (tmp_path / f"seq/000{k}.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_a_sequence_from_its_folder(run: Run, tmp_path: Path) -> None:
    run("render", *SMALL, "--elevation", "10:40", "--frames", 3, "--out", "seq/")
    run("replay", *CARS, "seq", "--out", "again/")
    names = sorted(path.name for path in (tmp_path / "seq").iterdir())
    assert names == ["0000.png", "0001.png", "0002.png", "recipe.json"]
    for name in names:
        assert (tmp_path / "seq" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize(
    "words", [("sample", "--n", 3), ("grid", "--shapes", 2, "--appearances", 3)]
)
def test_sheets(run: Run, tmp_path: Path, words: tuple[object, ...]) -> None:
    run(*words, *SMALL, "--out", "sheet.png")
    run("replay", *CARS, "sheet.png", "--out", "again.png")
    assert (tmp_path / "sheet.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_a_sample_alone(run: Run, tmp_path: Path) -> None:
    run("sample", *SMALL, "--n", 3)
    run("replay", *CARS, "samples/0002.png", "--out", "again.png")
    assert np.array_equal(
        media.image(tmp_path / "samples/0002.png"), media.image(tmp_path / "again.png")
    )


def test_codes_and_poses_travel_as_numbers(run: Run, tmp_path: Path) -> None:
    case = read_case("cars")
    np.save(tmp_path / "z.npy", case.z)
    np.save(tmp_path / "poses.npy", case.poses)
    run("render", *SMALL, "--latent", "z.npy", "--poses", "poses.npy", "--out", "a.npz")
    (tmp_path / "z.npy").unlink()
    (tmp_path / "poses.npy").unlink()
    run("replay", *CARS, "a.npz", "--out", "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_another_model_is_refused(run: Run, tmp_path: Path) -> None:
    run("render", *SMALL, "--out", "a.png")
    error = run("replay", *FACES, "a.png", code=1).stderr
    assert "`cars`" in error
    assert "`faces`" in error
    assert not (tmp_path / "a-replay.png").exists()


def test_other_settings_are_refused(run: Run, tmp_path: Path) -> None:
    run("render", *SMALL, "--out", "a.png")
    config = json.loads((REFERENCE / "cars.json").read_text())
    config["data"]["far"] = 13.0
    (tmp_path / "other.json").write_text(json.dumps(config))
    words = ("--checkpoint", REFERENCE / "cars.pt", "--config", "other.json")
    assert "settings" in run("replay", *words, "a.png", code=1).stderr


def test_a_model_that_is_not_here_is_never_fetched(run: Run, tmp_path: Path) -> None:
    run("render", *SMALL, "--out", "a.png")  # a checkpoint called cars, as one of the models is
    error = run("replay", "a.png", code=1, env={"GRAF_OFFLINE": ""}).stderr
    assert "graf download cars" in error


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "https://127.0.0.1/x.pt", "file:///etc/passwd"]
)
def test_a_model_named_by_a_place_is_refused(run: Run, tmp_path: Path, name: str) -> None:
    recipe = json.loads(run("render", *SMALL, "--dry-run", "-q").stdout)
    recipe["model"]["name"] = name
    (tmp_path / "a.json").write_text(json.dumps(recipe))
    assert "not one of `graf models`" in run("replay", "a.json", code=1).stderr
    recipe["model"]["url"] = name
    (tmp_path / "a.json").write_text(json.dumps(recipe))
    assert "`url`" in run("replay", "a.json", code=1).stderr


def test_a_recipe_from_a_pipe(run: Run, tmp_path: Path) -> None:
    recipe = run("render", *SMALL, "--dry-run", "-q").stdout
    run("replay", *CARS, "-", "--out", "a.png", input=recipe)
    run("render", *SMALL, "--out", "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert "no recipe" in run("replay", *CARS, "-", code=1, input="").stderr


def test_a_picture_that_says_nothing(run: Run) -> None:
    run("render", *SMALL, "--no-metadata", "--out", "a.png")
    assert "carries no recipe" in run("replay", *CARS, "a.png", code=1).stderr


@pytest.mark.parametrize("out", ["again/", "again"])
def test_a_folder_of_samples_with_what_tells_of_them(run: Run, tmp_path: Path, out: str) -> None:
    run("sample", *SMALL, "--n", 3)
    run("replay", *CARS, "samples", "--out", out)
    made = {path.name: path.read_bytes() for path in (tmp_path / "samples").iterdir()}
    assert "samples.jsonl" in made
    assert made == {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}


def test_one_sample_into_a_folder_has_no_records(run: Run, tmp_path: Path) -> None:
    run("sample", *SMALL, "--n", 2)
    run("replay", *CARS, "samples/0001.png", "--out", "one/")
    assert not (tmp_path / "one/samples.jsonl").exists()


def test_a_data_set_into_a_name_without_a_suffix(run: Run, tmp_path: Path) -> None:
    run("dataset", *SMALL, "--n", 1, "--views", 2, "--out", "set")
    run("replay", *CARS, "set", "--out", "again")
    assert (tmp_path / "again/recipe.json").read_bytes() == (
        tmp_path / "set/recipe.json"
    ).read_bytes()
