"""How large the pictures on the way are, and what small ones take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from graf_cli.recipe import Kind
from graf_cli.rendering.fast.grid import UNKNOWN
from graf_cli.shots import Shots
from graf_cli.viewer import pictures
from graf_cli.viewer.models import Choice, Models
from graf_cli.viewer.pictures import FIRST_STEP, LEAST, QUICK, SMALL, STEP, quicker, steps
from graf_cli.viewer.recipes import recipe_of
from graf_cli.viewer.state import ViewState
from tests.conftest import REFERENCE
from tests.viewer.test_families import CASES

CARS = Choice(checkpoint=REFERENCE / "cars.pt", config=REFERENCE / "cars.json", device="cpu")
EG3D = CASES["eg3d"].choice
WINDOW = (64, 48)


def test_small_frames_become_as_large_as_is_quick() -> None:
    pixels = SMALL
    for _ in range(20):
        pixels = quicker(pixels, pixels / LEAST * QUICK / 2)  # twice the least in that time
    assert 1.9 * LEAST < pixels < 2.1 * LEAST
    assert quicker(SMALL, 9.0) == SMALL // 2, "its first one makes a grid"
    assert quicker(LEAST, 9.0) == LEAST
    assert quicker(SMALL, 0.0) == SMALL


def test_steps_lead_to_a_large_picture_and_none_to_a_small_one() -> None:
    assert steps((256, 256)) == []
    sizes = steps((1600, 1200))
    assert [width * height for width, height in sizes] == sorted(w * h for w, h in sizes)
    assert FIRST_STEP <= sizes[0][0] * sizes[0][1] < STEP * FIRST_STEP * 1.01
    assert all(abs(width / height - 4 / 3) < 0.02 for width, height in sizes)


@pytest.mark.parametrize("kind", ["depth", "opacity", "normal"])
def test_small_frames_without_colours_are_those_with_them(kind: Kind) -> None:
    held = Models(CARS).open(CARS.first)
    state = ViewState(azimuth=40.0, show=(kind,))
    made = pictures.preview(held, state, WINDOW, 400)
    object.__setattr__(held, "shape", held.preview)
    assert pictures.preview(held, state, WINDOW, 400).data == made.data


def test_space_is_looked_into_before_small_frames_of_an_object_move() -> None:
    """Where the page turns no volume; then no camera finds a cell that was not looked into."""
    held = Models(CARS).open(CARS.first)
    pictures.ready(held, ViewState(), WINDOW)
    grids = held.shape._attempts.objects._grids
    assert not grids, "the page turns its volume"
    state = ViewState(azimuth=40.0, show=("depth",))
    pictures.ready(held, state, WINDOW)
    [grid] = grids.values()
    assert not (grid.state == UNKNOWN).any()
    before = grid.evaluated
    pictures.preview(held, ViewState(azimuth=200.0, elevation=50.0, show=("depth",)), WINDOW)
    assert [*grids.values()] == [grid]
    assert grid.evaluated == before


def test_small_frames_take_no_2d_network_where_its_colours_are_known_without() -> None:
    held = Models(EG3D).open(EG3D.first)
    raw = _bytes(pictures.preview(held, ViewState(show=("raw",)), WINDOW))
    shot = Shots(recipe_of(held.opened, ViewState(), (64, 64)), held.spec)[0]
    scene = held.preview.scene(shot)
    assert scene.raster is not None
    side = scene.raster(shot.camera).height
    small = _bytes(pictures.preview(held, ViewState(), WINDOW))
    assert small.shape == raw.shape == (64, 64, 4)
    of = 64 // side
    rows = torch.from_numpy(raw[::of, ::of]).permute(2, 0, 1)[None]
    between = functional.interpolate(rows, (64, 64), mode="bilinear")[0].permute(1, 2, 0).numpy()
    assert np.abs(small - between).max() < 2, "rounded once more"


def _bytes(picture: pictures.Picture) -> NDArray[np.float64]:
    """Shape = (H, W, 4)."""
    made = np.frombuffer(picture.data, np.uint8).reshape(picture.height, picture.width, 4)
    return made.astype(np.float64)
