"""A family without codes, from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.families.nerf.conftest import CASES
from tests.families.nerf.test_config import table

LEGO = ("--checkpoint", CASES / "lego.tar", "--config", CASES / "lego.txt")


def test_both_paths_draw_a_turn_and_replay_it(run: Run, tmp_path: Path) -> None:
    turn = ("--azimuth", "0:360", "--frames", 2, "--size", "24x16")
    run("render", *LEGO, *turn, "--out", "fast.npz")
    run("render", *LEGO, *turn, "--exact", "--out", "exact.npz")
    run("replay", "fast.npz", *LEGO, "--out", "again.npz")
    fast, exact, again = (
        np.load(tmp_path / f"{name}.npz")["rgb"] for name in ("fast", "exact", "again")
    )
    assert fast.shape == (2, 16, 24, 3)
    assert np.abs(fast - exact).max() <= 1e-3
    assert np.array_equal(fast, again)


@pytest.mark.parametrize("word", ["seed", "shape", "appearance"])
def test_there_are_no_codes_to_choose(run: Run, word: str) -> None:
    error = run("render", *LEGO, f"--{word}", 3, "--out", "a.png", code=2).stderr
    assert f"has no codes, it shows one scene; leave out --{word}." in error


def test_a_data_set_is_of_one_object_without_codes(run: Run, tmp_path: Path) -> None:
    words = ("--size", 8, "--views", 2, "--out", "ds")
    run("dataset", *LEGO, "--n", 1, *words)
    assert not list(tmp_path.rglob("latent*"))
    assert "latent" not in (tmp_path / "ds" / "README.md").read_text()
    assert "no codes" in run("dataset", *LEGO, "--n", 2, *words, code=2).stderr


def test_cameras_stand_in_front_of_a_forward_facing_scene(run: Run, tmp_path: Path) -> None:
    fern = ("--checkpoint", CASES / "fern.tar", "--config", "fern.txt")
    shutil.copy(CASES / "fern.txt", tmp_path)
    (tmp_path / "fern.txt").chmod(0o644)
    assert "poses_bounds.npy beside it" in run("render", *fern, "--out", "a.png", code=1).stderr
    np.save(tmp_path / "poses_bounds.npy", table())
    small = ("--size", "16x12", "--out")
    run("render", *fern, "--path", "spiral", "--frames", 3, *small, "spiral.npz")
    run("render", *fern, "--poses", "poses_bounds.npy", *small, "data.npz")
    assert len(np.load(tmp_path / "spiral.npz")["rgb"]) == 3
    assert len(np.load(tmp_path / "data.npz")["rgb"]) == 5
    error = run("render", *fern, "--azimuth", 3, *small, "a.png", code=2).stderr
    assert "--path spiral" in error
