"""Data sets: their splits, their files, what they say of cameras, whatever happens to them."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.errors import OutputError
from graf_cli.model.spec import features_of
from graf_cli.output.dataset import open_dataset
from graf_cli.output.dataset.layout import Layout, divide
from graf_cli.output.dataset.pictures import metric_depth
from graf_cli.output.provenance import reading
from graf_cli.output.store.atomic import beside
from graf_cli.scene.camera import rays
from graf_cli.scene.codes import read_rows
from graf_cli.scene.poses import read_poses
from graf_cli.scene.spec import CameraSpec
from graf_cli.shots import Shots
from tests.conftest import CPU, small_spec
from tests.disks import tree
from tests.media import image
from tests.output.datasets import SPEC, VARYING, frame, objects, plan_of, recipe_of, written

# splits


@given(st.integers(1, 5000), st.lists(st.floats(0.01, 1), min_size=1, max_size=8))
def test_shares_are_as_near_as_whole_numbers_can_be(total: int, weights: list[float]) -> None:
    shares = [weight / sum(weights) for weight in weights]
    counts = divide(total, shares)
    assert sum(counts) == total
    assert all(abs(n - total * share) < 1 for n, share in zip(counts, shares, strict=True))


def test_exact_shares_are_exact() -> None:
    assert divide(1000, [0.9, 0.1]) == [900, 100]
    assert divide(100, [0.29, 0.71]) == [29, 71]
    assert divide(3, [0.5, 0.5]) == [2, 1]
    assert divide(1, [0.9, 0.1]) == [1, 0]


def test_objects_are_shuffled_into_splits_by_the_seed() -> None:
    def splits(seed: int, n: int = 200) -> tuple[str, ...]:
        split = (("train", 0.8), ("val", 0.15), ("test", 0.05))
        return Layout(plan_of(recipe_of(n, 1, seed=seed, split=split))).splits

    assert splits(1) == splits(1)
    assert splits(1) != splits(2)
    assert Counter(splits(1)) == {"train": 160, "val": 30, "test": 10}
    halves = Counter(splits(1)[:100])
    assert 70 <= halves["train"] <= 90


# a folder


def test_what_is_in_a_folder(tmp_path: Path) -> None:
    recipe = recipe_of(2, 2, split=(("train", 0.5), ("val", 0.5)))
    found = tree(written(tmp_path / "ds", recipe))
    [train, val] = sorted(
        (name for name, data in found.items() if data is None and name.count("/") == 1)
    )
    kinds = [f"{kind}/000{view}.png" for kind in ("depth", "images", "opacity") for view in (0, 1)]
    assert {name for name, data in found.items() if data is not None} == {
        "README.md",
        "objects.jsonl",
        "recipe.json",
        *(f"{home}/{name}" for home in (train, val)
          for name in (*kinds, "transforms.json", "latent.npz")),
    }  # fmt: skip
    assert (train[:6], val[:4]) == ("train/", "val/")
    rows = objects(tmp_path / "ds")
    assert [row["object"] for row in rows] == [0, 1]
    assert sorted(row["in"] for row in rows) == [[train], [val]]
    shots = Shots(recipe, SPEC)
    for row in rows:
        codes = read_rows(tmp_path / "ds" / row["in"][0] / "latent.npz", features_of(SPEC))
        drawn = shots[2 * row["object"]].subject.codes
        assert np.array_equal(codes[0], np.concatenate([code.start for code in drawn.values()]))


def test_pictures_carry_their_recipe_unless_told_otherwise(tmp_path: Path) -> None:
    recipe = recipe_of(1, 2)
    told, silent = written(tmp_path / "a", recipe), written(tmp_path / "b", recipe, metadata=False)
    for kind in ("images", "depth", "opacity"):
        path = Path("train", "000000", kind, "0001.png")
        found = reading.read(told / path)
        assert found.generated
        assert found.recipe("it") == recipe.only(1)
        assert not reading.carries_recipe(silent / path)
    assert (told / "recipe.json").exists()
    assert not (silent / "recipe.json").exists()
    assert "**These pictures are synthetic.**" in (silent / "README.md").read_text()
    assert "recipe.json" not in (silent / "README.md").read_text()


def test_depth_is_metric_and_nothing_has_none(tmp_path: Path) -> None:
    recipe = recipe_of(1, 1)
    shown = frame(recipe, 0)
    home = written(tmp_path / "ds", recipe) / "train" / "000000"
    depth, opacity = image(home / "depth" / "0000.png"), image(home / "opacity" / "0000.png")
    assert [depth.dtype.name, opacity.dtype.name] == ["uint16", "uint8"]
    there = shown.opacity >= 0.5
    assert (depth[~there] == 0).all()
    metric = shown.depth[there] / shown.opacity[there]
    assert np.abs(depth[there] * 1e-3 - metric).max() <= 0.5e-3 + 1e-6
    assert np.abs(opacity / 255 - shown.opacity).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    ("far", "unit"), [(0.2, 1e-5), (0.9, 1e-4), (1.0, 1e-3), (12.5, 1e-3), (65, 1e-3), (700, 0.1)]
)
def test_the_step_of_depth_suits_the_model(far: float, unit: float) -> None:
    camera = CameraSpec(near=far / 2, far=far, radius=(far, far), fov=40.0)
    recipe = recipe_of(1, 1, small_spec(camera=camera))
    assert plan_of(recipe).depth_unit == pytest.approx(unit)
    deep = dataclasses.replace(
        frame(recipe_of(1, 1), 0),
        depth=np.full((6, 10), far, np.float32),
        opacity=np.ones((6, 10), np.float32),
    )
    assert metric_depth(deep, unit)[0, 0] * unit == pytest.approx(far, abs=unit / 2 + 1e-6)


# cameras


def nerfstudio_rays(document: dict[str, Any], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions by nerfstudio's documented convention, none of ours.

    Pixels are looked through at their centres, half a pixel from the integers; the camera looks
    along −z with y up; `transform_matrix` is camera to world.
    """
    matrix = np.array(document["frames"][n]["transform_matrix"])
    x, y = np.meshgrid(np.arange(document["w"]) + 0.5, np.arange(document["h"]) + 0.5)
    local = np.stack(
        (
            (x - document["cx"]) / document["fl_x"],
            -(y - document["cy"]) / document["fl_y"],
            -np.ones_like(x),
        ),
        axis=-1,
    )
    return matrix[:3, 3], (local @ matrix[:3, :3].T).reshape(-1, 3)


@pytest.mark.parametrize("cameras", ["model", "orbit", "cap"])
@pytest.mark.parametrize("size", [(10, 6), (7, 9)])
def test_nerfstudio_sees_along_the_rays_that_were_drawn(
    tmp_path: Path, cameras: str, size: tuple[int, int]
) -> None:
    recipe = recipe_of(1, 3, VARYING, cameras=cameras, size=size)
    home = written(tmp_path / "ds", recipe, spec=VARYING) / "train" / "000000"
    document = json.loads((home / "transforms.json").read_text())
    assert (document["w"], document["h"]) == size
    assert (document["cx"], document["cy"]) == (size[0] / 2 + 0.5, size[1] / 2 + 0.5)
    focal = size[0] / 2 / math.tan(document["camera_angle_x"] / 2)
    assert document["fl_x"] == document["fl_y"] == pytest.approx(focal)
    for n, shot in enumerate(Shots(recipe, VARYING)):
        ours = rays(shot.camera, device=CPU, dtype=torch.float32)
        origin, directions = nerfstudio_rays(document, n)
        assert np.allclose(ours.directions.numpy(), directions, atol=1e-6)
        assert np.allclose(ours.origins.numpy(), origin, atol=1e-6)
        told = document["frames"][n]
        assert (home / told["file_path"]).is_file()
        assert (home / told["depth_file_path"]).is_file()
        assert (home / told["opacity_file_path"]).is_file()
        assert told["near"] == pytest.approx(float(ours.near[0]), abs=1e-6)
        assert told["far"] == pytest.approx(float(ours.far[0]), abs=1e-6)


def test_the_file_of_cameras_reads_back(tmp_path: Path) -> None:
    recipe = recipe_of(1, 3)
    home = written(tmp_path / "ds", recipe) / "train" / "000000"
    cameras = read_poses(home / "transforms.json")
    assert cameras.size == (10, 6)
    assert cameras.fov == pytest.approx(40, abs=1e-9)
    shots = Shots(recipe, SPEC)
    assert cameras.rows == [shot.camera.pose.reshape(-1).tolist() for shot in shots]


# whatever happens


@pytest.mark.parametrize("tar_size", [None, 1])
def test_any_order_makes_the_same_bytes(tmp_path: Path, tar_size: int | None) -> None:
    recipe = recipe_of(4, 2, tar_size=tar_size, split=(("a", 0.5), ("b", 0.5)))
    whole = tree(written(tmp_path / "whole", recipe))
    order = random.Random(1).sample(range(8), 8)
    for part in (order[:3], order[3:4], order[4:]):
        written(tmp_path / "parts", recipe, part, resume=True)
    assert tree(tmp_path / "parts") == whole
    before = {path: path.stat().st_ino for path in (tmp_path / "parts").rglob("*.png")}
    written(tmp_path / "parts", recipe, resume=True)
    assert {path: path.stat().st_ino for path in before} == before
    assert tree(written(tmp_path / "parts", recipe)) == whole  # anew, over what is there


@pytest.mark.parametrize("tar_size", [None, 1])
def test_half_a_data_set_has_no_card(tmp_path: Path, tar_size: int | None) -> None:
    recipe = recipe_of(2, 2, tar_size=tar_size)
    with open_dataset(tmp_path, recipe, Shots(recipe, SPEC), SPEC, resume=True) as sink:
        sink.put(1, frame(recipe, 1))
    assert (sink.waiting, sink.paths) == (3, [])
    assert not (tmp_path / "README.md").exists()
    assert not (tmp_path / "objects.jsonl").exists()


@pytest.mark.parametrize(("before", "after"), [(None, None), (None, 1), (1, None), (1, 1)])
def test_another_data_set_leaves_nothing_of_the_first(
    tmp_path: Path, before: int | None, after: int | None
) -> None:
    new = recipe_of(1, 1, tar_size=after, split=(("test", 1.0),))
    whole = tree(written(tmp_path / "whole", new))
    folder = written(tmp_path / "ds", recipe_of(3, 2, tar_size=before))
    mine = folder / "train" / "notes.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    written(folder, new)
    assert mine.read_text() == "mine"
    mine.unlink()
    mine.parent.rmdir()
    assert tree(folder) == whole


def test_the_difference_to_another_data_set_is_named(tmp_path: Path) -> None:
    written(tmp_path, recipe_of(2, 2))
    for options, named in (
        ({"views": 3}, "`plan.views` is 2 there and 3 here"),
        ({"tar_size": 1}, "`plan.tar_size` is null there and 1 here"),
        ({"split": (("a", 1.0),)}, "`plan.splits` is"),
        ({"seed": 6}, "`plan.seed` is 5 there and 6 here"),
    ):
        asked: dict[str, Any] = {"views": 2, **options}
        with pytest.raises(OutputError, match="is of another recipe") as told:
            written(tmp_path, recipe_of(2, **asked), resume=True)
        assert named in str(told.value)


def test_the_readme_of_somebody_else_stays(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# My thesis\n")
    with pytest.raises(OutputError, match="not a card that graf wrote"):
        written(tmp_path, recipe_of(1, 1))
    assert tree(tmp_path) == {"README.md": b"# My thesis\n"}


def test_no_clobber_keeps_what_is_there(tmp_path: Path) -> None:
    found = tree(written(tmp_path, recipe_of(1, 1)))
    with pytest.raises(OutputError, match="`clobber=False` keeps it"):
        written(tmp_path, recipe_of(1, 1), clobber=False)
    assert tree(tmp_path) == found


@pytest.mark.parametrize("tar_size", [None, 1])
def test_places_travel_to_other_processes(tmp_path: Path, tar_size: int | None) -> None:
    recipe = recipe_of(2, 2, tar_size=tar_size)
    whole = tree(written(tmp_path / "whole", recipe))
    with open_dataset(tmp_path / "ds", recipe, Shots(recipe, SPEC), SPEC) as sink:
        put = pickle.loads(pickle.dumps(sink.putter))
        for k in (3, 1, 0, 2):
            put(k, frame(recipe, k))
            sink.put_elsewhere(k)
    assert tree(tmp_path / "ds") == whole


def test_what_a_killed_process_leaves_is_swept_away(tmp_path: Path) -> None:
    recipe = recipe_of(1, 1)
    home = tmp_path / "train" / "000000"
    home.mkdir(parents=True)
    with beside(home / "transforms.json", within=tmp_path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("")
        (tmp_path / temporary.name.replace("transforms", "dead")).write_text("")
    assert [*tmp_path.glob(".dead*")]
    written(tmp_path, recipe)
    assert not [*tmp_path.glob(".*")]
