"""Data sets as tars: read back by webdataset, bounded, whole whoever makes them."""

from __future__ import annotations

import dataclasses
import io
import json
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from graf_cli.errors import UsageError
from graf_cli.model.spec import features_of
from graf_cli.output.dataset import open_dataset, tars
from graf_cli.output.dataset.places import DatasetSink
from graf_cli.output.dataset.tars import TarPlaces
from graf_cli.output.provenance import reading
from graf_cli.output.store.folder_lock import one_at_a_time
from graf_cli.recipe import Recipe
from graf_cli.scene.codes import read_rows
from graf_cli.shots import Shots
from tests.disks import Tree, tree
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
    packed = written(tmp_path / "tars", recipe_of(3, 2, tar_size=1, **options))
    found = samples(packed)
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
        codes = read_rows(home / "latent.npz", features_of(SPEC))
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


def test_another_version_goes_on_in_the_same_tars(tmp_path: Path) -> None:
    """Tars are filled by the length of what pictures carry, and that has a version in it."""
    then = replace(recipe_of(180, 1, size=(1, 1), tar_size=1), graf="0.1.0")
    now = replace(then, graf="0.1.0.dev1234+gabcdef0")
    first, second = (
        TarPlaces(folder=tmp_path, recipe=recipe, stamped=True, shots=Shots(recipe, SPEC),
                  spec=SPEC, begun=begun)
        for recipe, begun in ((then, None), (now, "0.1.0"))
    )  # fmt: skip
    assert first.tars == second.tars != dataclasses.replace(second, begun=None).tars
    written(tmp_path, then, range(0, 180, 60))
    written(tmp_path, now, resume=True)  # each tar is nearly full of the longer version
    assert sorted(tmp_path.glob("*.tar")) == sorted(tar.path for tar in first.tars)
    assert all(path.stat().st_size <= 1_000_000 for path in tmp_path.glob("*.tar"))
    assert len(samples(tmp_path)) == 180


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


def half(folder: Path, recipe: Recipe, pictures: Sequence[int]) -> DatasetSink:
    """A data set with some pictures put, open."""
    sink = open_dataset(folder, recipe, Shots(recipe, SPEC), SPEC, resume=True)
    sink.missing(pictures)
    for k in pictures:
        sink.put(k, frame(recipe, k))
    return sink


def two_at_work(tmp_path: Path) -> tuple[Recipe, Tree, DatasetSink, DatasetSink]:
    """A recipe, its whole, and two who make it in ``ds``: all but one view of it, and nothing."""
    recipe = recipe_of(2, 2, tar_size=1)
    whole = tree(written(tmp_path / "whole", recipe))
    folder = tmp_path / "ds"
    return recipe, whole, half(folder, recipe, range(3)), half(folder, recipe, ())


def test_a_tar_whose_last_piece_comes_while_another_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, whole, ours, theirs = two_at_work(tmp_path)
    present = TarPlaces.present

    def late(places: TarPlaces) -> set[int]:
        monkeypatch.undo()
        # As if they were killed before the tar is made.
        monkeypatch.setattr(TarPlaces, "_assemble", lambda *_: None)
        theirs.put(3, frame(recipe, 3))
        monkeypatch.undo()
        return present(places)

    monkeypatch.setattr(TarPlaces, "present", late)
    with ours:
        pass
    theirs.abort()
    assert tree(tmp_path / "ds") == whole


def test_a_tar_that_another_process_makes_just_then_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, whole, ours, theirs = two_at_work(tmp_path)
    monkeypatch.setattr(TarPlaces, "_assemble", lambda *_: None)
    ours.put(3, frame(recipe, 3))
    monkeypatch.undo()

    def overtaken(folder: Path) -> AbstractContextManager[None]:
        monkeypatch.undo()
        with theirs:
            pass
        return one_at_a_time(folder)

    monkeypatch.setattr(tars, "one_at_a_time", overtaken)
    with ours:
        pass
    assert tree(tmp_path / "ds") == whole


def test_what_goes_into_its_tar_while_one_looks_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(2, 2, tar_size=1)
    theirs, looked = half(tmp_path, recipe, range(3)), reading.carries_recipe

    def late(path: Path) -> bool:
        monkeypatch.undo()
        theirs.put(3, frame(recipe, 3))
        return looked(path)

    monkeypatch.setattr(reading, "carries_recipe", late)
    with theirs, half(tmp_path, recipe, ()) as ours:
        assert ours.missing(range(4)) == []
