"""Which pictures share a grid."""

from __future__ import annotations

from pathlib import Path

import torch

import graf_cli
from graf_cli.model.generator import load_checkpoint
from graf_cli.rendering.fast.objects import Objects, PictureSetup, lattice_for
from graf_cli.rendering.fast.proof import LADDER
from graf_cli.rendering.renderer import Renderer
from tests.conftest import CPU
from tests.rendering.fast import crafted
from tests.rendering.fast.twins import camera, shot

TOYS = Path(graf_cli.__file__).parent / "assets" / "toy-cars.safetensors"


def test_cameras_at_one_distance_have_one_lattice_and_it_holds_what_they_see() -> None:
    """Of any size: rounding alone tells their reach apart."""
    toys = load_checkpoint(TOYS, None, CPU)
    found = set()
    for k in range(60):
        seen = camera(toys, 6.1 * k, 1.3 * k, size=256 + 8 * (k % 2))
        one = shot(toys, seen, seed=1)
        scene = toys.scene(one.subject, samples=64, camera=seen)
        setup = PictureSetup(scene, seen, seen, 1, LADDER[0], torch.float32)
        found.add(lattice_for(setup, 64 * 256**2, CPU))
    assert len(found) == 1


def test_a_second_view_looks_into_few_cells() -> None:
    """As a person who turns an object a little has the program do, picture after picture."""
    generator = crafted.tent((0.1, 0.0, -0.1), (0.6, 0.8, 0.5))
    objects = Objects(generator)
    cells = []
    for azimuth in (30, 33, 36, 30):
        renderer = Renderer(generator, objects=objects)
        renderer.render(shot(generator, camera(generator, azimuth, 20, size=48), seed=1))
        cells.append(renderer.outcome.cells)
    assert cells[1] < cells[0] / 4
    assert cells[2] < cells[0] / 4
    assert cells[3] == 0
