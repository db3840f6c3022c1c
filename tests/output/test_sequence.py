"""Folders of one recipe: in any order, by anybody, and of no other recipe."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from graf_cli.errors import OutputError
from graf_cli.output.formats import target_of
from graf_cli.output.sequence import SequenceSink
from graf_cli.output.sinks import open_sink
from graf_cli.recipe import Recipe, from_json
from tests.output.frames import frame_of, recipe_of, written


def sequence(folder: Path, recipe: Recipe, *, resume: bool = True) -> SequenceSink:
    sink = open_sink(target_of(f"{folder}/"), recipe, resume=resume)
    assert isinstance(sink, SequenceSink)
    return sink


def test_pictures_in_any_order(tmp_path: Path) -> None:
    recipe = recipe_of(4)
    written(f"{tmp_path}/whole/", recipe)
    for part in ((3, 0), (2,), (1,)):
        with sequence(tmp_path / "parts", recipe) as sink:
            assert not set(part) - set(sink.missing(range(4)))
            for k in part:
                sink.put(k, frame_of(recipe, k))
    with sequence(tmp_path / "parts", recipe) as sink:
        assert sink.missing(range(4)) == []
    assert sink.paths == [tmp_path / "parts" / f"000{k}.png" for k in range(4)]
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "parts" / path.name).read_bytes()


def test_a_new_recipe_takes_the_old_pictures_away_first(tmp_path: Path) -> None:
    written(f"{tmp_path}/seq/", recipe_of(4))
    (tmp_path / "seq" / "mine.txt").write_text("mine")
    recipe = recipe_of(2, samples=9)
    with pytest.raises(KeyboardInterrupt), sequence(tmp_path / "seq", recipe, resume=False):
        raise KeyboardInterrupt
    names = {path.name for path in (tmp_path / "seq").iterdir()}
    assert names >= {"recipe.json", "mine.txt"}
    assert not names & {"0000.png", "0001.png"}
    assert from_json((tmp_path / "seq" / "recipe.json").read_bytes()) == recipe


def test_two_recipes_at_once_are_refused(tmp_path: Path) -> None:
    with (
        sequence(tmp_path, recipe_of(2), resume=False),
        pytest.raises(OutputError, match="another graf with another recipe"),
    ):
        sequence(tmp_path, recipe_of(3), resume=False)


def test_many_of_one_recipe_may_begin_at_the_same_moment(tmp_path: Path) -> None:
    recipe, many = recipe_of(2), 8
    together = Barrier(many, timeout=60)

    def begin(folder: Path) -> list[int]:
        together.wait()
        with sequence(folder, recipe) as sink:
            together.wait()  # all are at work at once
            return sink.missing(range(2))

    with ThreadPoolExecutor(many) as threads:
        for number in range(4):
            folder = tmp_path / str(number)
            assert [*threads.map(begin, [folder] * many)] == [[0, 1]] * many
            assert [path.name for path in folder.iterdir()] == ["recipe.json"]


def test_a_recipe_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    written(f"{tmp_path}/seq/", recipe_of(2))
    (tmp_path / "seq" / "recipe.json").write_text("{}")
    with sequence(tmp_path / "seq", recipe_of(2)) as sink:
        assert sink.missing(range(2)) == [0, 1]
        for k in range(2):
            sink.put(k, frame_of(recipe_of(2), k))


def test_a_folder_that_vanishes_is_not_made_again(tmp_path: Path) -> None:
    import shutil

    recipe = recipe_of(2)
    with (
        pytest.raises(OutputError, match="No such file"),
        sequence(tmp_path / "seq", recipe) as sink,
    ):
        shutil.rmtree(tmp_path / "seq")
        sink.put(0, frame_of(recipe))
    assert not (tmp_path / "seq").exists()
