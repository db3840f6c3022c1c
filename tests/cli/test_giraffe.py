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
