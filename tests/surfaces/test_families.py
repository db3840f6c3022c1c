"""What each family of generators gives, or why it does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run, run
from tests.families.eg3d.conftest import CASES as EG3D
from tests.families.nerf.conftest import CASES as NERF
from tests.families.nerf.test_config import table
from tests.families.pigan.models import CASES as PIGAN
from tests.surfaces.objects import loaded

__all__ = ["run"]
GIRAFFE = Path(__file__).parents[1] / "families" / "giraffe" / "cases"
SMALL = ("--resolution", 12)


@pytest.mark.parametrize(
    "words",
    [
        ("--checkpoint", NERF / "lego.tar", "--config", NERF / "lego.txt"),
        ("--checkpoint", PIGAN / "celeba_generator.pth"),
        ("--checkpoint", EG3D / "ffhq64.pkl"),
    ],
    ids=["nerf", "pigan", "eg3d"],
)
def test_a_mesh_and_splats_with_colours(
    run: Run, tmp_path: Path, words: tuple[object, ...]
) -> None:
    run("export", *words, *SMALL, "--out", "a.ply")
    found = loaded(tmp_path / "a.ply", process=False)
    assert found.is_watertight
    assert np.ptp(found.visual.vertex_colors[:, :3], axis=0).max() > 5
    run("export", *words, *SMALL, "--out", "a.splat.ply")
    assert "export      splats" in run("info", "a.splat.ply").stdout


def test_the_planes_of_eg3d_are_a_box(run: Run, tmp_path: Path) -> None:
    run("export", "--checkpoint", EG3D / "ffhq64.pkl", *SMALL, "--out", "a.ply")
    found = loaded(tmp_path / "a.ply", process=False)
    assert np.abs(found.vertices).max() <= 0.5 + 0.05  # and half a coarse cell


def test_giraffe_gives_a_mesh_an_object_where_it_stands(run: Run, tmp_path: Path) -> None:
    cars = ("--checkpoint", GIRAFFE / "cars.pt", "--config", GIRAFFE / "cars.json")
    run("export", *cars, *SMALL, "--out", "a.glb")
    run("export", *cars, *SMALL, "--control", "object.0.x=1", "--out", "b.glb")
    here, there = (loaded(tmp_path / name) for name in ("a.glb", "b.glb"))
    assert list(here.geometry) == ["object.0"]
    assert here.geometry["object.0"].is_watertight
    moved = there.geometry["object.0"].bounds[:, 0] - here.geometry["object.0"].bounds[:, 0]
    assert (moved > 0.01).all()
    error = run("export", *cars, "--out", "a.splat.ply", code=1).stderr
    assert "A scene of several objects has no splats" in error


def test_a_scene_without_an_end_has_no_box(run: Run, tmp_path: Path) -> None:
    shutil.copy(NERF / "fern.txt", tmp_path)
    np.save(tmp_path / "poses_bounds.npy", table())
    fern = ("--checkpoint", NERF / "fern.tar", "--config", "fern.txt")
    assert "which reaches to infinity" in run("export", *fern, "--out", "a.glb", code=2).stderr
