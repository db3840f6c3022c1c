"""What `--show`, `--background transparent` and `--json` give on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests import media
from tests.cli.conftest import CARS, Run

SMALL = (*CARS, "--size", "8", "--samples", "8")


def test_on_white_rgba_is_the_white_render(run: Run, tmp_path: Path) -> None:
    view = (*CARS, "--size", 16, "--fov", 60)
    run("render", *view, "--show", "rgba", "--out", "a.png")
    run("render", *view, "--background", "white", "--out", "b.png")
    found = media.image(tmp_path / "a.png").astype(float)
    alpha = found[..., 3:] / 255
    on_white = found[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(on_white - media.image(tmp_path / "b.png")).max() <= 1.5


def test_kinds_stand_side_by_side(run: Run, tmp_path: Path) -> None:
    run("render", *SMALL, "--show", "side-by-side", "--out", "a.png")
    run("render", *SMALL, "--show", "normal", "--out", "n.png")
    run("render", *SMALL, "--show", "rgb,depth", "--out", "d.png")
    whole = media.image(tmp_path / "a.png")
    assert whole.shape == (8, 24, 3)
    assert np.array_equal(whole[:, 16:], media.image(tmp_path / "n.png"))
    assert np.array_equal(whole[:, :16], media.image(tmp_path / "d.png"))


def test_a_video_of_depth(run: Run, tmp_path: Path) -> None:
    words = ("--show", "rgb,depth", "--azimuth", "0:90", "--frames", 3, "--ease", "smooth")
    run("render", *SMALL, *words, "--out", "a.mp4")
    assert media.video(tmp_path / "a.mp4").shape == (3, 8, 16, 3)


@pytest.mark.parametrize("name", ["sheet.png", "folder/", "a.npz"])
@pytest.mark.parametrize("command", ["sample", "grid"])
def test_other_commands_show_the_same_kinds(
    run: Run, tmp_path: Path, command: str, name: str
) -> None:
    few = ("--n", 2) if command == "sample" else ("--shapes", 2, "--appearances", 1)
    run(command, *SMALL, *few, "--show", "rgba,normal", "--out", name)
    if name == "sheet.png":
        assert media.image(tmp_path / name).shape[2] == 4
    if name == "a.npz":
        with np.load(tmp_path / name) as file:
            assert file["normal"].shape == (2, 8, 8, 3)


def test_normals_have_unit_length_and_face_the_camera(run: Run, tmp_path: Path) -> None:
    run("render", *CARS, "--size", 12, "--show", "normal", "--normals", "world", "--out", "w.npz")
    run("render", *CARS, "--size", 12, "--show", "normal", "--out", "c.npz")
    with np.load(tmp_path / "w.npz") as world, np.load(tmp_path / "c.npz") as camera:
        seen = world["opacity"] > 0.5
        for file in (world, camera):
            assert np.allclose(np.linalg.norm(file["normal"], axis=-1)[seen], 1, atol=1e-4)
        assert not np.allclose(world["normal"], camera["normal"])


def test_boomerang_comes_back(run: Run, tmp_path: Path) -> None:
    words = ("--azimuth", "0:80", "--frames", 6, "--boomerang", "--out", "a.npz")
    run("render", *SMALL, *words, "--exact")
    with np.load(tmp_path / "a.npz") as file:
        rgb = file["rgb"]
    assert np.array_equal(rgb[1], rgb[5])
    assert np.array_equal(rgb[2], rgb[4])
    assert not np.array_equal(rgb[0], rgb[5])


def test_results_as_json(run: Run, tmp_path: Path) -> None:
    found = json.loads(run("render", *SMALL, "--out", "a.png", "--json").stdout)
    assert (found["path"], found["frames"]) == ("a.png", 1)
    assert found["seconds"] > 0
    assert found["promise_kept"] is True
    sampled = json.loads(run("sample", *SMALL, "--n", 2, "--json").stdout)
    assert (sampled["path"], sampled["frames"]) == ("samples", 2)
    assert sampled["records"] == "samples/samples.jsonl"


def test_a_format_by_name(run: Run, tmp_path: Path) -> None:
    run("render", *SMALL, "--format", "png", "--out", "no-suffix")
    assert media.image(tmp_path / "no-suffix").shape == (8, 8, 3)
    sweep = ("--azimuth", "0:90", "--frames", 2)
    run("render", *SMALL, *sweep, "--format", "webp", "--out", "folder/")
    assert (tmp_path / "folder" / "0001.webp").exists()
    assert run("render", *SMALL, *sweep, "--format", "apng").stdout == "cars.apng\n"


def test_no_clobber_of_a_sequence(run: Run, tmp_path: Path) -> None:
    words = (*SMALL, "--azimuth", "0:90", "--frames", 2, "--no-clobber", "--out", "seq/")
    run("render", *words)
    before = {path: path.read_bytes() for path in (tmp_path / "seq").iterdir()}
    assert "already there" in run("render", *words, code=1).stderr
    assert {path: path.read_bytes() for path in (tmp_path / "seq").iterdir()} == before
