"""Scenes of objects, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graf_cli.families.giraffe.config import Configuration, read_config
from graf_cli.scene.camera import elevation_of
from tests.cli.conftest import Run
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
        (("--size", 32), "at 64x64 alone; leave out --size"),
        (("--background", "transparent"), "paints a background of its own"),
        (("--background", "#ff0000"), "paints a background of its own"),
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
