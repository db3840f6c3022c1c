"""What is finished, stale and missing in every kind of folder."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest

from graf_cli.errors import OutputError
from graf_cli.output.formats import target_of
from graf_cli.output.open import open_sink
from graf_cli.output.provenance.reading import read
from graf_cli.output.survey import survey
from tests.output.frames import frame_of, recipe_of, written

PAST = Path(__file__).parents[1] / "past" / "0.1.0"


def numbers(folder: Path) -> tuple[list[int], list[int], int]:
    """Finished, stale, and how many are missing."""
    recipe = read(folder).recipe(str(folder))
    found = survey(folder, recipe)
    return sorted(found.finished), sorted(found.stale), found.missing(len(recipe))


def test_a_picture_of_another_recipe_is_stale_and_told_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "a"
    written(f"{folder}/", recipe_of(4))
    written(f"{tmp_path}/other/", recipe_of(4, samples=9))
    shutil.copy(tmp_path / "other" / "0001.png", folder / "0001.png")
    (folder / "0002.png").unlink()
    for path in folder.glob("*.png"):
        os.utime(path, ns=(0, 0))
    (folder / "0003.png").write_bytes(b"words")
    os.utime(folder / "0003.png", ns=(0, 0))
    assert numbers(folder) == ([0], [1, 3], 1)
    caplog.set_level(logging.INFO, "graf")
    with open_sink(target_of(f"{folder}/"), recipe_of(4), resume=True) as sink:
        assert sink.missing(range(4)) == [1, 2, 3]
        said = [message.partition(": ")[2] for message in caplog.messages]
        assert said[0] == "picture 0 is finished, and kept."
        assert said[1].startswith(
            "picture 1 is stale, and made again: 0001.png is older than recipe.json and of another"
        )
        assert said[2] == "picture 2 is missing, and made."
        assert said[3].endswith("carries no recipe that can be read.")


@pytest.mark.parametrize(
    ("name", "finished", "missing"),
    [
        ("samples", [0, 1, 2], 0),
        ("sequence", [0, 1, 2], 0),
        ("numbered", [0, 1], 0),
        ("dataset", [0, 1, 2, 3], 0),
        ("tars", [0, 1, 2, 3], 0),
        ("half/samples", [0, 1], 2),
        ("half/.turn.mp4.frames", [0, 1], 2),
        ("half/.turn.npz.frames", [0, 1], 2),
        ("half/tars", [0, 1], 2),
    ],
)
def test_every_kind_of_folder(tmp_path: Path, name: str, finished: list[int], missing: int) -> None:
    folder = shutil.copytree(PAST / name, tmp_path / "copy")
    assert numbers(folder) == (finished, [], missing)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    recipe = recipe_of(2)
    with open_sink(target_of(f"{folder}/"), recipe, resume=True):
        pass
    assert numbers(folder) == ([], [], 2)


def test_a_damaged_tar_is_named(tmp_path: Path) -> None:
    folder = shutil.copytree(PAST / "tars", tmp_path / "tars")
    (folder / "train-000000.tar").write_bytes(b"words" * 200)
    with pytest.raises(OutputError, match=r"train-000000\.tar is damaged"):
        numbers(folder)


def test_a_finished_file_keeps_every_picture(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target, recipe = target_of(str(tmp_path / "a.gif")), recipe_of(2)
    caplog.set_level(logging.INFO, "graf")
    with open_sink(target, recipe, resume=True) as sink:
        for k in sink.missing(range(2)):
            sink.put(k, frame_of(recipe, k))
    assert sum("missing, and made" in message for message in caplog.messages) == 2
    with open_sink(target, recipe, resume=True) as sink:
        assert sink.missing(range(2)) == []
    assert sum("finished, and kept" in message for message in caplog.messages) == 2
