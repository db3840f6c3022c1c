"""`graf grid`: rows share a shape, columns an appearance."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.cli.conftest import CARS, Run
from tests.media import image

SMALL = (*CARS, "--size", "8", "--samples", "8", "--azimuth", "30")


def test_rows_share_a_shape_columns_an_appearance(run: Run, tmp_path: Path) -> None:
    done = run("grid", *SMALL, "--shapes", 2, "--appearances", 3, "--seed", 4)
    assert done.stdout == "grid.png\n"
    grid = image(tmp_path / "grid.png")
    assert grid.shape == (16, 24, 3)
    run("render", *SMALL, "--shape", 5, "--appearance", 6, "--out", "one.png")
    one = image(tmp_path / "one.png")
    assert np.abs(grid[8:, 16:].astype(int) - one).max() <= 1


def test_arrays_of_a_grid(run: Run, tmp_path: Path) -> None:
    run("grid", *SMALL, "--shapes", 2, "--appearances", 2, "--exact", "--out", "grid.npz")
    with np.load(tmp_path / "grid.npz") as file:
        opacity = file["opacity"]
    assert np.array_equal(opacity[0], opacity[1])
    assert np.array_equal(opacity[2], opacity[3])
    assert not np.array_equal(opacity[0], opacity[2])


def test_one_view_only(run: Run) -> None:
    words = (*SMALL[:-2], "--azimuth", "0:360")
    assert "one view" in run("grid", *words, code=2).stderr
