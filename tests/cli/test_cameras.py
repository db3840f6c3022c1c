"""`--save-cameras`, and cameras of other programs, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graf_cli.scene.camera import pose_on_sphere
from tests.cli.conftest import CARS, Run
from tests.media import image

SMALL = (*CARS, "--size", "8", "--samples", "8")
FEW = (*CARS, "--samples", "8", "--exact")


def camera_file(path: Path, *lenses: dict[str, Any], **top: Any) -> Path:
    """A transforms.json, with a frame for each lens."""
    bottom = [0.0, 0.0, 0.0, 1.0]
    matrices = [[*pose_on_sphere(40 * k, 20, 10).tolist(), bottom] for k in range(len(lenses))]
    frames = [{**a, "transform_matrix": b} for a, b in zip(lenses, matrices, strict=True)]
    path.write_text(json.dumps({**top, "frames": frames}))
    return path


def lens(**changed: float) -> dict[str, float]:
    """Of 12 × 8 pictures, in the middle of our convention."""
    return {"fl_x": 20, "fl_y": 20, "cx": 6.5, "cy": 4.5, "w": 12, "h": 8, **changed}


def drawn(run: Run, *words: object) -> np.ndarray:
    run("render", *FEW, *words, "--out", "drawn.npz")
    with np.load("drawn.npz") as file:
        return np.asarray(file["rgb"])


# what is read


def test_a_shifted_principal_point_shifts_the_picture(run: Run, tmp_path: Path) -> None:
    right, down = 3, 2
    shifted = lens(cx=6.5 + right, cy=4.5 + down)
    middle = drawn(run, "--poses", camera_file(tmp_path / "a.json", lens()))[0]
    off = drawn(run, "--poses", camera_file(tmp_path / "b.json", shifted))[0]
    assert middle.shape == (8, 12, 3)
    assert np.ptp(middle) > 0.2
    assert np.abs(off[down:, right:] - middle[:-down, :-right]).max() <= 1e-6


def test_pixels_that_are_not_square_stretch_the_picture(run: Run, tmp_path: Path) -> None:
    tall = lens(fl_y=40, h=16, cy=8.5)
    plain = drawn(run, "--poses", camera_file(tmp_path / "a.json", lens()))[0]
    stretched = drawn(run, "--poses", camera_file(tmp_path / "b.json", tall))[0]
    assert np.abs(stretched[::2] - plain).max() <= 1e-6


def test_a_data_set_of_several_lenses(run: Run, tmp_path: Path) -> None:
    camera_file(tmp_path / "a.json", lens(), lens(cx=8, fl_x=25), lens(fl_y=22))
    words = ("dataset", *FEW, "--poses", "a.json", "--n", 2, "--out", "ds")
    run(*words)
    home = tmp_path / "ds" / "train" / "000001"
    told = json.loads((home / "transforms.json").read_text())
    frames = [{**told, **frame} for frame in told["frames"]]
    assert [(f["fl_x"], f["fl_y"], f["cx"], f["cy"]) for f in frames] == [
        (20, 20, 6.5, 4.5), (25, 20, 8, 4.5), (20, 22, 6.5, 4.5),
    ]  # fmt: skip
    again = ("--poses", home / "transforms.json", "--latent", home / "latent.npz")
    run("render", *FEW, *again, "--out", "again/")
    for view in range(3):
        there = home / "images" / f"{view:04d}.png"
        assert np.array_equal(image(there), image(tmp_path / "again" / f"{view:04d}.png"))
    run("replay", *CARS, home / "images" / "0001.png", "--out", "one.png")
    assert (tmp_path / "one.png").read_bytes() == (home / "images" / "0001.png").read_bytes()
    camera_file(tmp_path / "b.json", lens(), lens(w=24, h=16))
    assert "--size" in run("dataset", *FEW, "--poses", "b.json", "--out", "b", code=2).stderr
    assert not (tmp_path / "b").exists()


def test_a_recipe_of_lenses_replays_to_the_same_bytes(run: Run, tmp_path: Path) -> None:
    camera_file(tmp_path / "a.json", lens(), lens(cx=8, fl_x=25))
    run("render", *FEW, "--poses", "a.json", "--out", "a/")
    run("replay", *CARS, "a", "--out", "b/")
    for name in ("0000.png", "0001.png", "recipe.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_standard_input_names_options(run: Run, tmp_path: Path) -> None:
    text = camera_file(tmp_path / "a.json", lens(cx=8)).read_text()
    done = run("render", *FEW, "--size", 8, "--poses", "-", input=text, code=2)
    assert "Standard input" in done.stderr
    assert "--size 8x8" in done.stderr


# what is written


@pytest.mark.parametrize("name", ["cameras.json", "spin_camera_path.json", "deep/er/cameras.json"])
def test_saved_cameras_draw_the_same(run: Run, tmp_path: Path, name: str) -> None:
    words = (*SMALL, "--azimuth", "0:90", "--frames", 2)
    done = run("render", *words, "--save-cameras", name, "--out", "a/")
    assert done.stdout.split() == ["a/0000.png", "a/0001.png"]
    run("render", *CARS, "--samples", "8", "--poses", name, "--out", "b/")
    for k in range(2):
        there, again = (image(tmp_path / folder / f"{k:04d}.png") for folder in "ab")
        assert np.array_equal(there, again)
    before = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    run("render", *words, "--save-cameras", name, "--out", "a/", "--dry-run")
    assert (tmp_path / name).read_bytes() == before


def test_beside_the_pictures_again_and_in_shards(run: Run, tmp_path: Path) -> None:
    words = (
        *SMALL, "--azimuth", "0:90", "--frames", 3,
        "--out", "a/", "--save-cameras", "a/transforms.json", "--no-clobber",
    )  # fmt: skip
    run("render", *words, "--shard", "1/2")
    cameras = tmp_path / "a" / "transforms.json"
    first = cameras.stat()
    run("render", *words, "--shard", "2/2")
    run("render", *words, "--resume")
    assert cameras.stat().st_ino == first.st_ino  # made once
    assert cameras.stat().st_mtime_ns == first.st_mtime_ns
    names = [frame["file_path"] for frame in json.loads(cameras.read_text())["frames"]]
    assert names == ["0000.png", "0001.png", "0002.png"]
    assert not [path for path in (tmp_path / "a").iterdir() if path.name.endswith(".new")]


def test_nothing_is_lost_by_saving_cameras(run: Run, tmp_path: Path) -> None:
    camera_file(tmp_path / "in.json", lens(cx=8))
    (tmp_path / "other.json").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    words = ("render", *FEW, "--poses", "in.json", "--out", "a/", "--save-cameras")
    assert "--poses reads" in run(*words, "in.json", code=2).stderr
    assert "--no-clobber" in run(*words, "other.json", "--no-clobber", code=1).stderr
    assert ".json" in run(*words, "cameras.txt", code=2).stderr
    assert "recipe" in run(*words, "a/recipe.json", code=2).stderr
    assert "middle" in run(*words, "camera_path.json", code=2).stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_parallel_rays_cannot_be_saved(run: Run) -> None:
    case = [word.replace("cars", "orthographic") for word in CARS]
    done = run("render", *case, "--save-cameras", "c.json", "--dry-run", code=2)
    assert "parallel rays" in done.stderr
    assert not Path("c.json").exists()
