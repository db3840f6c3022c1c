"""Data sets as tars: read back by webdataset, bounded, whole whoever makes them."""

from __future__ import annotations

import dataclasses
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graf_cli.errors import UsageError
from graf_cli.model.latent import read_latents
from graf_cli.output.dataset import open_dataset
from graf_cli.shots import Shots
from tests.disks import tree
from tests.media import image
from tests.output.datasets import SPEC, frame, objects, recipe_of, written


def samples(folder: Path) -> dict[str, dict[str, Any]]:
    """All of a data set's samples, by the webdataset package."""
    import webdataset

    paths = sorted(str(path) for path in folder.glob("*.tar"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package, about its own affairs
        found = webdataset.WebDataset(paths, shardshuffle=False).decode(
            webdataset.handle_extension("depth.png opacity.png", _as_it_is), "rgb8"
        )
        return {sample["__key__"]: dict(sample) for sample in found}


def _as_it_is(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def test_webdataset_reads_what_a_folder_holds(tmp_path: Path) -> None:
    options: dict[str, Any] = {"split": (("train", 0.67), ("val", 0.33)), "cameras": "cap"}
    plain = written(tmp_path / "folder", recipe_of(3, 2, **options))
    tars = written(tmp_path / "tars", recipe_of(3, 2, tar_size=1, **options))
    found = samples(tars)
    rows = objects(plain)
    assert [*found] == [
        f"{row['object']:06d}_000{view}"
        for split in ("train", "val")
        for row in rows
        if row["split"] == split
        for view in (0, 1)
    ]
    for row in rows:
        home = plain / row["in"][0]
        document = json.loads((home / "transforms.json").read_text())
        codes = read_latents(home / "latent.npz", SPEC.latent)
        for view, told in enumerate(document["frames"]):
            sample = found[f"{row['object']:06d}_000{view}"]
            for name, key in (("", "png"), ("depth_", "depth.png"), ("opacity_", "opacity.png")):
                assert np.array_equal(sample[key], image(home / told[f"{name}file_path"]))
            assert np.array_equal(sample["latent.npy"], codes[0])
            for key in ("transform_matrix", "near", "far"):
                assert sample["json"][key] == told[key]
            for key in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
                assert sample["json"][key] == document[key]
            for key in ("object", "split", "seed", "synthetic", "depth_unit_scale_factor"):
                assert sample["json"][key] == document["graf"][key]


def test_tars_are_bounded_and_objects_stay_whole(tmp_path: Path) -> None:
    noisy = recipe_of(9, 2, size=(160, 120), tar_size=1, samples=1)
    source = np.random.default_rng(0)
    with open_dataset(tmp_path, noisy, Shots(noisy, SPEC), SPEC) as sink:
        for k in range(len(noisy)):
            rgb = source.random((120, 160, 3), np.float32)
            grey = source.random((2, 120, 160), np.float32)
            made = dataclasses.replace(
                frame(noisy, k), rgb=rgb, depth=grey[0], opacity=grey[1] / 2 + 0.5
            )
            sink.put(k, made)
    tars = sorted(tmp_path.glob("*.tar"))
    assert len(tars) > 1
    assert all(path.stat().st_size <= 1_000_000 for path in tars)
    assert sum(path.stat().st_size for path in tars) > 0.5e6 * len(tars)
    rows = objects(tmp_path)
    assert all(len(row["in"]) == 1 for row in rows)
    assert len(samples(tmp_path)) == 18


def test_an_object_that_no_tar_holds_has_several(tmp_path: Path) -> None:
    recipe = recipe_of(2, 5, size=(256, 256), tar_size=1)
    written(tmp_path, recipe)
    rows = objects(tmp_path)
    assert all(len(row["in"]) > 1 for row in rows)
    assert not {*rows[0]["in"]} & {*rows[1]["in"]}
    assert len(samples(tmp_path)) == 10


def test_a_tar_without_room_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    recipe = recipe_of(1, 1, size=(1024, 1024), tar_size=1)
    with pytest.raises(UsageError, match="has no room for one view"):
        written(tmp_path / "ds", recipe)
    assert not (tmp_path / "ds").exists()


def test_a_tar_whose_maker_died_is_made_by_the_next(tmp_path: Path) -> None:
    recipe = recipe_of(2, 2, tar_size=1)
    whole = tree(written(tmp_path / "whole", recipe))
    folder = written(tmp_path / "ds", recipe, [0, 1, 2])
    kept = folder / ".graf-pictures"
    piece = written(tmp_path / "other", recipe, [3]) / ".graf-pictures" / "0000003.tar"
    piece.rename(kept / piece.name)
    assert not [*folder.glob("*.tar")]
    written(folder, recipe, resume=True)
    assert tree(folder) == whole
