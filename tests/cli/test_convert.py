"""`graf convert`: a training checkpoint becomes one file that renders the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from tests.cli.conftest import CARS, Run
from tests.conftest import REFERENCE

CHECKPOINT, CONFIG = CARS[1], CARS[3]


def test_converted_renders_the_same_and_alone(run: Run, tmp_path: Path) -> None:
    done = run("convert", CHECKPOINT, "--config", CONFIG, "--out", "cars.safetensors")
    assert done.stdout == "cars.safetensors\n"
    run("render", *CARS, "--size", 8, "--out", "a.npz")
    run("render", "--checkpoint", "cars.safetensors", "--size", 8, "--out", "b.npz")
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert np.array_equal(a["rgb"], b["rgb"])


def strays(folder: Path) -> dict[str, Path]:
    """The averaged generator in the other files that people have of it."""
    whole = torch.load(CHECKPOINT, map_location="cpu", weights_only=False)
    state = {name: tensor.clone() for name, tensor in whole["generator_test"].items()}
    parallel = {f"module.{name}": tensor for name, tensor in state.items()}
    contents = {
        "parallel": {"generator_test": parallel, "generator": whole["generator"]},
        "bare": state,
        "bare-parallel": parallel,
        "trained": {"generator": state},
    }
    paths = {name: folder / f"{name}.pt" for name in contents}
    for name, content in contents.items():
        torch.save(content, paths[name])
    paths["safetensors"] = folder / "bare.safetensors"
    safetensors.torch.save_file(state, paths["safetensors"])
    return paths


@pytest.mark.parametrize("kind", ["parallel", "bare", "bare-parallel", "trained", "safetensors"])
def test_every_file_of_one_generator_renders_and_converts_alike(
    run: Run, tmp_path: Path, kind: str
) -> None:
    """Told that it is not the averaged one where that cannot be known, and only there."""
    file = strays(tmp_path)[kind]
    run("render", *CARS, "--size", 8, "--out", "a.npz")
    drawn = run("render", "--checkpoint", file, "--config", CONFIG, "--size", 8, "--out", "b.npz")
    run("convert", file, "--config", CONFIG, "--out", "c.safetensors")
    run("render", "--checkpoint", "c.safetensors", "--size", 8, "--out", "c.npz")
    assert drawn.stderr.count("the averaged weights") == (kind == "trained")
    with (
        np.load(tmp_path / "a.npz") as a,
        np.load(tmp_path / "b.npz") as b,
        np.load(tmp_path / "c.npz") as c,
    ):
        assert np.array_equal(a["rgb"], b["rgb"])
        assert np.array_equal(a["rgb"], c["rgb"])


def test_a_slip_in_the_configuration_is_told_once(run: Run, tmp_path: Path) -> None:
    config = json.loads(Path(CONFIG).read_text())
    config["nerf"]["N_sampels"] = 32
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = ("--checkpoint", CHECKPOINT, "--config", "config.json", "--size", 8)
    error = run("render", *words, "--frames", 2, "--out", "a_%d.png").stderr
    assert error.count("`nerf.N_sampels` (nearest is `nerf.N_samples`)") == 1


def test_it_is_small_and_the_same_each_time(run: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run("convert", CHECKPOINT, "--config", CONFIG, "--out", f"{name}.safetensors", "--half")
    one = (tmp_path / "one.safetensors").read_bytes()
    assert one == (tmp_path / "two.safetensors").read_bytes()
    assert len(one) < Path(CHECKPOINT).stat().st_size / 4


def test_json_tells_what_was_written(run: Run, tmp_path: Path) -> None:
    words = ("--config", CONFIG, "--out", "cars.safetensors", "--json")
    result = json.loads(run("convert", CHECKPOINT, *words).stdout)
    data = (tmp_path / "cars.safetensors").read_bytes()
    assert result["path"] == "cars.safetensors"
    assert result["bytes"] == len(data)
    assert result["sha256"] == hashlib.sha256(data).hexdigest()


def test_without_its_configuration_it_says_what_is_missing(run: Run, tmp_path: Path) -> None:
    error = run("convert", CHECKPOINT, "--out", "cars.safetensors", code=1).stderr
    assert "--config" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("config", ["compact.json", "birds.json"])
def test_another_configuration_names_the_tensor(run: Run, tmp_path: Path, config: str) -> None:
    words = ("--config", REFERENCE / config, "--out", "cars.safetensors")
    assert "tensor `generator." in run("convert", CHECKPOINT, *words, code=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_bad_names(run: Run, tmp_path: Path) -> None:
    run("convert", CHECKPOINT, "--config", CONFIG, "--out", "cars.pt", code=2)
    run("convert", CHECKPOINT, "--config", CONFIG, "--out", "cars.safetensors")
    words = ("--out", "cars.safetensors", "--no-clobber")
    assert "already there" in run("convert", CHECKPOINT, "--config", CONFIG, *words, code=1).stderr


def test_a_file_that_is_no_checkpoint(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.pt"
    page.write_text("<html>")
    error = run("convert", page, "--config", CONFIG, "--out", "x.safetensors", code=1).stderr
    assert str(page) in error
