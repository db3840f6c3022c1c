"""Folders of one recipe: in any order, by anybody, and of no other recipe."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from msgspec.structs import replace

from graf_cli.errors import OutputError
from graf_cli.output.formats import target_of
from graf_cli.output.open import open_sink
from graf_cli.output.provenance import reading
from graf_cli.output.store.sequence import SequenceSink
from graf_cli.output.store.sink import Sink
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


def test_another_version_goes_on_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    then = replace(recipe_of(3), graf="0.0.9")
    now = replace(then, graf="0.1.10")
    with sequence(tmp_path / "seq", then) as sink:
        sink.put(1, frame_of(then, 1))
    before = (tmp_path / "seq" / "0001.png").read_bytes()
    assert not caplog.messages
    with sequence(tmp_path / "seq", now) as sink, sequence(tmp_path / "seq", then) as beside:
        assert sink.missing(range(3)) == beside.missing(range(3)) == [0, 2]
        sink.put(0, frame_of(now, 0))
        beside.put(2, frame_of(then, 2))
    [said] = caplog.messages
    assert said.startswith(f"{tmp_path / 'seq'} is of graf 0.0.9; this is graf 0.1.10")
    assert (tmp_path / "seq" / "0001.png").read_bytes() == before
    told = [reading.read(path).recipe("it").graf for path in sorted((tmp_path / "seq").iterdir())]
    assert told == ["0.1.10", "0.0.9", "0.0.9", "0.0.9"]  # each who wrote it


def test_another_version_s_pictures_in_a_copied_folder_count(tmp_path: Path) -> None:
    then = replace(recipe_of(2), graf="0.0.9")
    written(f"{tmp_path}/seq/", then)
    for k in range(2):
        os.utime(tmp_path / "seq" / f"000{k}.png", ns=(0, 0))
    with sequence(tmp_path / "seq", replace(then, graf="0.1.10")) as sink:
        assert sink.missing(range(2)) == []


def test_a_new_job_of_another_version_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    then = replace(recipe_of(2), graf="0.0.9")
    written(f"{tmp_path}/seq/", then)
    now = replace(then, graf="0.1.10")
    with sequence(tmp_path / "seq", now, resume=False) as sink:
        assert not (tmp_path / "seq" / "0000.png").exists()
        sink.put(0, frame_of(now, 0))
    assert from_json((tmp_path / "seq" / "recipe.json").read_bytes()) == now
    assert not caplog.messages


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


@pytest.mark.parametrize("damage", ["{}", None])
def test_finished_work_does_not_go_for_a_recipe_that_cannot_be_read(
    tmp_path: Path, damage: str | None
) -> None:
    written(f"{tmp_path}/seq/", recipe_of(2))
    path = tmp_path / "seq" / "recipe.json"
    path.unlink()
    path.mkdir() if damage is None else path.write_text(damage)
    before = {one.name for one in path.parent.iterdir()}
    with pytest.raises(OutputError, match=r"recipe\.json cannot be read"):
        sequence(tmp_path / "seq", recipe_of(2))
    assert {one.name for one in path.parent.iterdir()} == before
    if damage is not None:
        with sequence(tmp_path / "seq", recipe_of(2), resume=False) as sink:
            assert sink.missing(range(2)) == [0, 1]


def test_a_shorter_sequence_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    written(f"{tmp_path}/seq/", recipe_of(4))
    (tmp_path / "seq" / "samples.jsonl").write_text("of the longer one")
    (tmp_path / "seq" / "0007.png").write_text("mine")
    written(f"{tmp_path}/seq/", recipe_of(2))
    names = sorted(path.name for path in (tmp_path / "seq").iterdir())
    assert names == ["0000.png", "0001.png", "0007.png", "recipe.json"]


def test_an_earlier_recipes_pictures_are_not_kept_under_another_pattern(tmp_path: Path) -> None:
    """A job with other names took the folder over, and left them."""
    folder, recipe = tmp_path / "seq", recipe_of(3, samples=9)
    written(f"{folder}/", recipe_of(3))
    written(f"{folder}/car-%02d.png", recipe)
    os.utime(folder / "0000.png", (0, 0))
    os.utime(folder / "0001.png", (0, 0))
    os.utime(folder / "0002.png", (0, 0))
    written(f"{tmp_path}/whole/", recipe)
    with sequence(folder, recipe) as sink:
        assert sink.missing(range(3)) == [0, 1, 2]
        for k in range(3):
            sink.put(k, frame_of(recipe, k))
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()


def test_a_folder_that_was_copied_is_gone_on_with(tmp_path: Path) -> None:
    """Its files' times tell nothing."""
    recipe = recipe_of(3)
    written(f"{tmp_path}/seq/", recipe)
    (tmp_path / "seq" / "0001.png").unlink()
    for path in (tmp_path / "seq").glob("*.png"):
        os.utime(path, (0, 0))
    with sequence(tmp_path / "seq", recipe) as sink:
        assert sink.missing(range(3)) == [1]


def test_pictures_without_their_recipe_are_nobodys(tmp_path: Path) -> None:
    recipe = recipe_of(2)
    written(f"{tmp_path}/seq/", recipe)
    (tmp_path / "seq" / "recipe.json").unlink()
    with pytest.raises(OutputError, match=r"has such pictures and no recipe\.json"):
        sequence(tmp_path / "seq", recipe)
    assert (tmp_path / "seq" / "0001.png").exists()


def opened(folder: Path, recipe: Recipe, *, metadata: bool, resume: bool) -> Sink:
    return open_sink(target_of(f"{folder}/"), recipe, resume=resume, metadata=metadata)


def interrupted(folder: Path, recipe: Recipe, *, metadata: bool) -> None:
    """Begun anew, and ended after one picture."""
    with (
        pytest.raises(KeyboardInterrupt),
        opened(folder, recipe, metadata=metadata, resume=False) as sink,
    ):
        sink.put(0, frame_of(recipe, 0))
        raise KeyboardInterrupt


def test_pictures_with_and_without_their_recipe_are_never_mixed(tmp_path: Path) -> None:
    recipe = recipe_of(3)
    with opened(tmp_path / "seq", recipe, metadata=False, resume=True) as sink:
        for k in range(3):
            sink.put(k, frame_of(recipe, k))
    interrupted(tmp_path / "seq", recipe, metadata=True)
    with opened(tmp_path / "seq", recipe, metadata=True, resume=True) as sink:
        assert sink.missing(range(3)) == [1, 2]


def test_what_an_interrupted_job_without_metadata_has_finished_is_kept(tmp_path: Path) -> None:
    recipe = recipe_of(2)
    interrupted(tmp_path / "seq", recipe, metadata=False)
    with opened(tmp_path / "seq", recipe, metadata=False, resume=True) as sink:
        assert sink.missing(range(2)) == [1]
    with opened(tmp_path / "whole", recipe, metadata=False, resume=False) as sink:
        for k in range(2):
            sink.put(k, frame_of(recipe, k))
    assert sorted(path.name for path in (tmp_path / "whole").iterdir()) == ["0000.png", "0001.png"]


def test_two_who_keep_what_is_there_may_put_the_same_picture(tmp_path: Path) -> None:
    recipe, target = recipe_of(1), target_of(f"{tmp_path}/seq/")
    with (
        open_sink(target, recipe, resume=True, clobber=False) as one,
        open_sink(target, recipe, resume=True, clobber=False) as other,
    ):
        for sink in (one, other):
            sink.put(0, frame_of(recipe, 0))
    with pytest.raises(OutputError, match="`clobber=False`"):
        open_sink(target, recipe, clobber=False)


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
