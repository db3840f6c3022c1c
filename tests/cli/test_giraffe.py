"""Scenes of objects, from the command line."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from graf_cli.cli.main import cli
from graf_cli.families.giraffe.config import Configuration, read_config
from graf_cli.scene.camera import elevation_of
from tests.cli.conftest import Run
from tests.media import image
from tools.parity import giraffe_release as release

CASES = Path(__file__).parents[1] / "families" / "giraffe" / "cases"
LARGEST, MEAN = 5e-4, 2e-5  # what sound code in another order of operations may differ by

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]


def model(name: str) -> tuple[object, ...]:
    """A measured case on the command line."""
    return "--checkpoint", CASES / f"{name}.pt", "--config", CASES / f"{name}.json"


def measured(name: str) -> Arrays:
    """What the release gave."""
    with np.load(CASES / f"{name}.npz") as stored:
        return dict(stored)


def between(span: tuple[float, float], setting: float) -> float:
    return span[0] + setting * (span[1] - span[0])


def words(found: Configuration, arrays: Arrays, view: int) -> list[object]:
    """The options of one measured picture."""
    spec, count = found.spec, arrays["val_s"].shape[1]
    turns = [release.degrees(spec.boxes.rotation, float(x)) for x in arrays["val_rot"][view]]
    given = {"background.turn": release.degrees(spec.background_rotation, arrays["val_bg"][view])}
    for k in range(count):
        given |= release.object_controls(
            k,
            scale=arrays["val_s"][view, k].tolist(),
            place=arrays["val_t"][view, k].tolist(),
            turn=turns[k] - turns[0],
        )
    said: list[object] = ["--azimuth", turns[0], "--truncation", 1]
    said += ["--elevation", elevation_of(between(found.v, float(arrays["val_v"][view])))]
    said += ["--radius", between(found.radius, float(arrays["val_r"][view]))]
    for name, value in release.offered(spec, given).items():
        said += ["--control", f"{name}={float(value)!r}"]
    return said


def codes(arrays: Arrays, view: int) -> np.ndarray[Any, np.dtype[Any]]:
    """One row: shape and appearance of each object, then of the background."""
    objects = zip(arrays["z_shape_obj"][view], arrays["z_app_obj"][view], strict=True)
    own = [code for pair in objects for code in pair]
    return np.concatenate([*own, arrays["z_shape_bg"][view], arrays["z_app_bg"][view]])


@pytest.mark.parametrize(("name", "view"), [("cars", 1), ("church", 0)])
def test_pictures_are_those_of_the_release(run: Run, tmp_path: Path, name: str, view: int) -> None:
    found, arrays = read_config(CASES / f"{name}.json"), measured(name)
    np.save(tmp_path / "z.npy", codes(arrays, view)[None])
    asked = words(found, arrays, view)
    run("render", *model(name), "--latent", "z.npy", *asked, "--exact", "--out", "a.npz")
    difference = np.abs(np.load(tmp_path / "a.npz")["rgb"][0] - arrays["rgb"][view])
    assert difference.max() <= LARGEST
    assert difference.mean() <= MEAN


def test_a_turntable_turns_the_objects_and_is_replayed(run: Run, tmp_path: Path) -> None:
    turn = ("--azimuth", "0:360", "--frames", 3)
    run("render", *model("cars"), *turn, "--out", "fast.npz")
    run("render", *model("cars"), *turn, "--exact", "--out", "exact.npz")
    run("render", *model("cars"), "--control", "turn=120", "--out", "turned.npz")
    run("convert", CASES / "cars.pt", *model("cars")[2:], "--out", "cars.safetensors")
    run("replay", "fast.npz", "--checkpoint", "cars.safetensors", "--out", "again.npz", code=1)
    run("render", "--checkpoint", "cars.safetensors", *turn, "--out", "converted.npz")
    run("replay", "fast.npz", *model("cars"), "--out", "again.npz")
    fast, exact, turned, converted, again = (
        np.load(tmp_path / f"{name}.npz")["rgb"]
        for name in ("fast", "exact", "turned", "converted", "again")
    )
    assert np.abs(fast - exact).max() <= 1e-3
    assert np.abs(fast[0] - fast[1]).max() > 0.1
    assert np.abs(fast[1] - turned[0]).max() <= 1e-3
    assert np.array_equal(fast, converted)
    assert np.array_equal(fast, again)


def test_objects_are_moved_by_controls_and_axes(run: Run, tmp_path: Path) -> None:
    run("render", *model("cars"), "--control", "object.0.y=0:1", "--frames", 2, "--out", "y.npz")
    left, right = np.load(tmp_path / "y.npz")["rgb"]
    assert np.abs(left - right).max() > 0.05
    axes = ("--rows", "azimuth=0,90", "--columns", "object.0.shape=0:1")
    run("grid", *model("church"), *axes, "--out", "grid.png")
    assert "turn" in run("info", "grid.png").stdout


def test_depth_has_the_size_of_the_picture(run: Run, tmp_path: Path) -> None:
    for name, words in (("fast", ()), ("exact", ("--exact",))):
        run("render", *model("church"), *words, "--out", f"{name}.npz")
    with (
        np.load(tmp_path / "fast.npz") as fast,
        np.load(tmp_path / "exact.npz") as exact,
    ):
        assert fast["depth"].shape == (1, 48, 48)
        assert np.isfinite(fast["depth"]).all()
        assert np.abs(fast["opacity"] - exact["opacity"]).max() <= 1e-3
        blocks = fast["depth"][0].reshape(12, 4, 12, 4)
        assert np.ptp(blocks, axis=(1, 3)).max() > 0  # not the map's, enlarged


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--size", 32), "at 64x64 alone; leave out --size, or ask for another map than 16x16 by"),
        (("--raster", 20, "--size", 64), "makes pictures of 80x80 pixels here; leave out --size"),
        (("--raster", 1), "--raster 1x1 is too small"),
        (("--background", "transparent"), "paints a background of its own"),
        (("--background", "#ff0000"), "or add --control background=off"),
        (("--background", "white", "--control", "background=0:1"), "paints a background of its"),
        (("--objects", 65), "--objects takes whole numbers from 0 to 64"),
        (("--objects", 1.5), "--objects takes whole numbers"),
        (("--objects", 2, "--control", "objects=2"), "leave out one"),
        (("--control", "object.1.y=1"), "there is no `object.1.y`, since there are 1 object"),
        (("--objects", 2, "--code", "object.2.shape=1"), "there are 2 objects, counted from 0"),
        (("--control", "object.0.scale=-4"), "The box of object 0 would have no size"),
        (("--control", "object.0.exists=0.5"), "`object.0.exists` takes whole numbers"),
        (("--show", "rgba"), "has no rgba"),
        (("--azimuth", 3, "--control", "turn=3"), "leave out one"),
        (("--control", "object.0.exists=2"), "is from 0 to 1"),
    ],
)
def test_what_it_lacks_is_refused_in_a_sentence(
    run: Run, words: tuple[object, ...], reason: str
) -> None:
    assert reason in run("render", *model("cars"), *words, "--out", "a.png", code=2).stderr


def test_a_configuration_is_asked_for_and_its_strange_keys_are_told(
    run: Run, tmp_path: Path
) -> None:
    error = run("render", *model("cars")[:2], "--out", "a.png", code=1).stderr
    assert "give the yaml file of its training as --config" in error
    base = "base.yaml"
    (tmp_path / base).write_bytes((CASES / "church.json").read_bytes())
    lines = f"inherit_from: {base}\nmodel:\n  generator_kwargs:\n    strange: 3\n"
    (tmp_path / "own.yaml").write_text(lines)
    own = ("--checkpoint", CASES / "church.pt", "--config", "own.yaml")
    told = run("render", *own, "--out", "a.png").stderr
    assert "`model.generator_kwargs.strange`; left out" in told


def numbers(path: Path, name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    with np.load(path) as stored:
        return np.asarray(stored[name])


def test_objects_are_the_same_however_many_there_are(run: Run, tmp_path: Path) -> None:
    alone = ("--control", "background=off", "--show", "alpha", "--azimuth", 30)
    run("render", *model("cars"), *alone, "--objects", 1, "--out", "1.npz")
    run("render", *model("cars"), *alone, "--objects", "0:3", "--frames", 4, "--out", "n.npz")
    many = numbers(tmp_path / "n.npz", "alpha")
    assert not many[0].any()
    assert np.array_equal(many[1], numbers(tmp_path / "1.npz", "alpha")[0])
    assert many.sum(axis=(1, 2))[1:].tolist() == sorted(many.sum(axis=(1, 2))[1:])
    out = ("--control", "object.1.exists=off", "--control", "object.2.exists=off")
    run("render", *model("cars"), *alone, "--objects", 3, *out, "--out", "left.npz")
    assert np.array_equal(many[1], numbers(tmp_path / "left.npz", "alpha")[0])
    run("render", *model("cars"), *alone, "--objects", 3, "--out", "3.png")
    run("replay", "3.png", *model("cars"), "--out", "again.png")
    assert (tmp_path / "3.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    run("render", "--recipe", "3.png", *model("cars"), "--objects", 1, "--out", "less.npz")
    assert np.array_equal(many[1], numbers(tmp_path / "less.npz", "alpha")[0])


def test_masks_are_occluded_and_marched_at_full_size(run: Run, tmp_path: Path) -> None:
    at = ("--objects", 2, "--control", "object.*.y=0.5", "--show", "alpha")
    for name, behind in (("near", 0.0), ("far", 5.0)):
        place = ("--control", "object.0.x=1", "--control", f"object.1.x={-behind:g}")
        run("render", *model("cars"), *at, *place, "--out", f"{name}.npz")
        alpha = numbers(tmp_path / f"{name}.npz", "alpha")
        assert (alpha <= numbers(tmp_path / f"{name}.npz", "opacity") + 1e-5).all()
    run("render", *model("cars"), *at, *place, "--exact", "--out", "exact.npz")
    assert np.abs(alpha - numbers(tmp_path / "exact.npz", "alpha")).max() <= 1e-3
    assert alpha.shape == (1, 64, 64)
    assert np.ptp(alpha[0].reshape(16, 4, 16, 4), axis=(1, 3)).max() > 0.5  # not 16 × 16, enlarged


def test_another_map_is_painted_and_kept_by_a_recipe(run: Run, tmp_path: Path) -> None:
    run("render", *model("cars"), "--raster", "20x16", "--out", "wide.npz")
    assert numbers(tmp_path / "wide.npz", "rgb").shape == (1, 64, 80, 3)
    assert numbers(tmp_path / "wide.npz", "depth").shape == (1, 64, 80)
    run("replay", "wide.npz", *model("cars"), "--out", "again.npz")
    run("render", "--recipe", "wide.npz", *model("cars"), "--azimuth", 9, "--out", "turned.npz")
    same, turned = (numbers(tmp_path / f"{name}.npz", "rgb") for name in ("again", "turned"))
    assert np.array_equal(same, numbers(tmp_path / "wide.npz", "rgb"))
    assert turned.shape == same.shape


def test_without_its_background_objects_are_cut_out(run: Run, tmp_path: Path) -> None:
    off = ("--control", "background=off", "--azimuth", 30)
    run("render", *model("cars"), *off, "--out", "painted.npz")
    run("render", *model("cars"), *off, "--background", "#ff0000", "--out", "red.npz")
    run("render", *model("cars"), *off, "--background", "transparent", "--out", "clear.png")
    painted, red = (numbers(tmp_path / f"{name}.npz", "rgb") for name in ("painted", "red"))
    opacity = numbers(tmp_path / "red.npz", "opacity")[..., None]
    assert 0 < opacity.mean() < 1
    expected = painted * opacity + (1 - opacity) * np.array([1, 0, 0], dtype=np.float32)
    assert np.abs(red - expected).max() <= 1e-5
    clear = image(tmp_path / "clear.png")
    assert np.abs(clear[..., 3] - 255 * opacity[0, ..., 0]).max() <= 1
    run("replay", "clear.png", *model("cars"), "--out", "again.png")
    assert (tmp_path / "clear.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_random_scenes_are_drawn_as_in_training_and_shown_again(run: Run, tmp_path: Path) -> None:
    run("sample", *model("cars"), "--n", 3, "--seed", 4, "--control", "object.0.y=0.25")
    lines = (tmp_path / "samples" / "samples.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [one["controls"]["object.0.y"] for one in found] == [0.25] * 3
    assert len({one["controls"]["object.0.turn"] for one in found}) == 3
    assert all(-180 <= one["controls"]["object.0.turn"] <= 180 for one in found)
    assert all(0 <= one["controls"]["object.0.x"] <= 1 for one in found)
    one = found[1]
    again = [f"--control={name}={value!r}" for name, value in one["controls"].items()]
    view = ("--seed", one["seed"], "--elevation", one["elevation"], "--radius", one["radius"])
    run("render", *model("cars"), *view, *again, "--out", "again.png")
    theirs = image(tmp_path / "samples" / one["file"]).astype(int)
    assert np.abs(theirs - image(tmp_path / "again.png")).max() <= 1


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two scenes of three objects."""
    folder = tmp_path_factory.mktemp("scenes") / "ds"
    words = ["dataset", *model("cars"), "--objects", 3, "--n", 2, "--views", 2, "--seed", 2]
    words += ["--annotations", "coco", "--control", "object.*.scale=-1", "--out", folder]
    result = CliRunner().invoke(cli, [*map(str, words)])
    assert result.exit_code == 0, result.output
    return folder


def test_boxes_of_a_data_set_hold_the_masks(scenes: Path) -> None:
    """By what the files say alone: corners, camera matrices, masks."""
    seen = 0
    for home in sorted((scenes / "train").iterdir()):
        cameras = json.loads((home / "transforms.json").read_bytes())
        told = json.loads((home / "objects.json").read_bytes())
        assert [one["number"] for one in told["objects"]] == [0, 1, 2]
        for frame, view in zip(cameras["frames"], told["views"], strict=True):
            assert frame["file_path"] == view["file_path"]
            labels = image(home / view["mask_file_path"])
            assert labels.shape == (64, 64)
            assert labels.max() <= 3
            for box, one in zip(view["objects"], told["objects"], strict=True):
                inside = np.linalg.inv(frame["transform_matrix"]) @ np.vstack(
                    (np.array(one["corners"]).T, np.ones(8))
                )
                u = cameras["fl_x"] * inside[0] / -inside[2] + cameras["cx"]
                v = -cameras["fl_y"] * inside[1] / -inside[2] + cameras["cy"]
                ends = np.clip([u.min(), v.min(), u.max(), v.max()], 0, 64)
                assert np.abs(ends - box["box"]).max() < 1e-6
                rows, columns = np.nonzero(labels == one["number"] + 1)
                seen += len(rows) > 0
                if len(rows):
                    left, top, right, bottom = box["box"]
                    assert left <= columns.min() + 0.5
                    assert columns.max() + 0.5 <= right
                    assert top <= rows.min() + 0.5
                    assert rows.max() + 0.5 <= bottom
                    area = (right - left) * (bottom - top)
                    assert len(rows) > area / 50  # it is the box of that mask, and no other
                centre = np.array(frame["transform_matrix"]) @ box["pose_in_camera"]
                np.testing.assert_allclose(centre, one["pose"], atol=1e-6)
    assert seen >= 6


def test_annotations_are_the_masks(scenes: Path) -> None:
    told = json.loads((scenes / "annotations" / "instances_train.json").read_bytes())
    assert [one["id"] for one in told["annotations"]] == [*range(1, len(told["annotations"]) + 1)]
    drawn = {}
    for picture in told["images"]:
        path = scenes / picture["file_name"].replace("/images/", "/masks/")
        assert (scenes / picture["file_name"]).is_file()
        drawn[picture["id"]] = np.array(image(path))
    for one in told["annotations"]:
        labels = drawn[one["image_id"]]
        runs = one["segmentation"]["counts"]
        flat = np.repeat(np.arange(len(runs)) % 2, runs)
        mask = flat.reshape(one["segmentation"]["size"][::-1]).T
        assert np.array_equal(mask, labels == one["number"] + 1)
        left, top, width, height = one["bbox"]
        assert mask[top : top + height, left : left + width].sum() == one["area"] == mask.sum()
        labels[mask > 0] = 0
    assert not any(labels.any() for labels in drawn.values())


def test_a_data_set_of_scenes_is_made_again_and_taken_away(
    run: Run, tmp_path: Path, scenes: Path
) -> None:
    run("replay", scenes, *model("cars"), "--out", "again/")
    kept = {path.relative_to(scenes) for path in scenes.rglob("*") if path.is_file()}
    for name in kept:
        assert (tmp_path / "again" / name).read_bytes() == (scenes / name).read_bytes(), name
    run(
        "dataset",
        *model("cars"),
        "--n",
        1,
        "--views",
        1,
        "--format",
        "webdataset",
        "--out",
        "again",
    )
    left = {
        path.relative_to(tmp_path / "again").as_posix() for path in (tmp_path / "again").rglob("*")
    }
    assert left == {"README.md", "objects.jsonl", "recipe.json", "train-000000.tar"}
    with tarfile.open(tmp_path / "again" / "train-000000.tar") as tar:
        names = {name.partition(".")[2] for name in tar.getnames()}
        stream = tar.extractfile("000000_0000.objects.json")
        assert stream is not None
        told = json.loads(stream.read())
    assert {"mask.png", "objects.json"} <= names
    assert told["objects"][0]["box"] is not None
    error = run("dataset", "--annotations", "coco", code=2).stderr
    assert "shows one object without a box; leave out --annotations" in error
