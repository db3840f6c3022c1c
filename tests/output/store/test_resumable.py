"""Files whose frames are kept: the same bytes as at one go, whoever put the frames."""

from __future__ import annotations

import errno
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, NoReturn

import pytest

from graf_cli.errors import OutputError, UsageError
from graf_cli.output.encode.animation import GifWriter
from graf_cli.output.formats import Encoding, target_of
from graf_cli.output.open import open_sink
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.output.store import resumable as resumable_module
from graf_cli.output.store import sequence
from graf_cli.output.store.atomic import discard_all
from graf_cli.output.store.folder_lock import FolderLock
from graf_cli.output.store.resumable import FinishedSink, Product, ResumableSink, SingleSink
from graf_cli.output.store.sink import Sink
from graf_cli.recipe import Recipe
from tests.output.frames import frame_of, recipe_of, written

NAMES = ("mp4", "webm", "mov", "gif", "apng", "webp", "npz", "tar")


def kept(path: Path, recipe: Recipe, **options: Any) -> Sink:
    return open_sink(target_of(str(path)), recipe, resume=True, **options)


@pytest.mark.parametrize("show", [("rgb",), ("rgb", "depth", "normal")])
@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_of_one_go(tmp_path: Path, name: str, show: tuple[str, ...]) -> None:
    recipe = recipe_of(4, show=show)
    written(tmp_path / f"whole.{name}", recipe)
    path = tmp_path / f"kept.{name}"
    for part in ((3, 1), (0,)):
        with kept(path, recipe) as sink:
            assert isinstance(sink, ResumableSink)
            for k in part:
                sink.put(k, frame_of(recipe, k))
        assert sink.paths == []
        assert sink.waiting == 4 - len(part) - (2 if part == (0,) else 0)
    with kept(path, recipe) as sink:
        assert sink.missing(range(4)) == [2]
        sink.put(2, frame_of(recipe, 2))
    assert sink.paths == [path]
    assert path.read_bytes() == (tmp_path / f"whole.{name}").read_bytes()
    assert {one.name for one in tmp_path.iterdir()} == {f"whole.{name}", f"kept.{name}"}
    with kept(path, recipe) as sink:
        assert isinstance(sink, FinishedSink)
        assert sink.missing(range(4)) == []
    assert sink.paths == [path]


@pytest.mark.parametrize("options", [{"show": ("depth16",)}, {"background": "transparent"}])
def test_sheets_of_every_depth(tmp_path: Path, options: dict[str, Any]) -> None:
    recipe = recipe_of(4, **options)
    written(tmp_path / "whole.png", recipe, columns=2)
    with kept(tmp_path / "kept.png", recipe, columns=2) as sink:
        for k in (2, 0, 3, 1):
            sink.put(k, frame_of(recipe, k))
    assert (tmp_path / "kept.png").read_bytes() == (tmp_path / "whole.png").read_bytes()


def test_frames_can_be_put_by_another_process(tmp_path: Path) -> None:
    recipe = recipe_of(2)
    with kept(tmp_path / "a.gif", recipe) as sink:
        assert sink.putter is not None
        put = pickle.loads(pickle.dumps(sink.putter))
        for k in range(2):
            put(k, frame_of(recipe, k))
            sink.put_elsewhere(k)
    assert sink.paths == [tmp_path / "a.gif"]


def test_a_file_that_another_process_finishes_first(tmp_path: Path) -> None:
    recipe = recipe_of(2)
    path = tmp_path / "a.gif"
    with kept(path, recipe) as late:
        with kept(path, recipe) as sink:
            for k in range(2):
                sink.put(k, frame_of(recipe, k))
        late.put(0, frame_of(recipe, 0))
        late.put(1, frame_of(recipe, 1))
    assert late.paths == sink.paths == [path]
    assert [one.name for one in tmp_path.iterdir()] == ["a.gif"]


def test_one_who_is_late_leaves_nothing_behind(tmp_path: Path) -> None:
    """It saw no file when it began, and no folder when it came to keep frames."""
    recipe = recipe_of(2)
    path = tmp_path / "a.gif"
    stamp = Stamp(recipe)
    product = Product(path, recipe, stamp, lambda to: GifWriter(to, Encoding()))
    with ResumableSink(product).opened() as sink:
        for k in range(2):
            sink.put(k, frame_of(recipe, k))
    before = path.stat()
    with ResumableSink(product).opened() as late:
        assert product.parts.exists()
        late.put(0, frame_of(recipe, 0))
    assert late.paths == [path]
    with ResumableSink(product).opened() as late:
        assert late.missing(range(2)) == []
    assert late.paths == [path]
    with pytest.raises(KeyboardInterrupt), ResumableSink(product):
        raise KeyboardInterrupt
    assert path.stat() == before
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("locks", [True, False])
def test_one_who_comes_after_does_not_disturb_those_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int, *, locks: bool
) -> None:
    """Nor does it where a file system has no locks, so that frames go while they are needed."""
    if not locks:
        monkeypatch.setattr(FolderLock, "_lock", lambda lock, exclusive, wait: True)
    recipe = recipe_of(frames)
    path = tmp_path / "a.gif"
    with kept(path, recipe) as slow:
        slow.put(0, frame_of(recipe, 0))
        written(path, recipe)
        whole = path.read_bytes()
        with kept(path, recipe) as sink:
            assert isinstance(sink, FinishedSink)
        parts = tmp_path / ".a.gif.frames"
        assert parts.exists() == locks
        for k in range(1, frames):
            slow.put(k, frame_of(recipe, k))
    assert slow.paths == [path]
    assert path.read_bytes() == whole
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("frames", [1, 2])
def test_a_folder_that_goes_with_the_file_s_being_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    recipe = recipe_of(frames)
    path = tmp_path / "a.gif"

    def overtaken(folder: Path) -> FolderLock:
        monkeypatch.undo()
        written(path, recipe)
        raise OutputError(f"{folder} is gone.")

    for module in (resumable_module, sequence):
        monkeypatch.setattr(module, "locked", overtaken)
    with kept(path, recipe) as sink:
        assert isinstance(sink, FinishedSink)
    assert sink.paths == [path]


def test_a_damaged_frame_is_named(tmp_path: Path) -> None:
    recipe = recipe_of(2)
    for name, suffix in (("a.gif", "png"), ("a.npz", "npz")):
        with kept(tmp_path / name, recipe) as sink:
            sink.put(0, frame_of(recipe, 0))
        (tmp_path / f".{name}.frames" / f"0000000.{suffix}").write_bytes(b"half")
        with (
            pytest.raises(OutputError, match=r"0000000\.\w+ is damaged; remove it"),
            kept(tmp_path / name, recipe) as sink,
        ):
            sink.put(1, frame_of(recipe, 1))
    assert not (tmp_path / "a.gif").exists()


def test_a_single_picture_leaves_nothing_beside_it(tmp_path: Path) -> None:
    recipe = recipe_of()
    written(tmp_path / "whole.png", recipe)
    path = tmp_path / "one.png"
    left = tmp_path / ".one.png.frames" / ".one-00000000.part"
    left.mkdir(parents=True)
    with kept(path, recipe) as sink:
        assert isinstance(sink, SingleSink)
        sink.put(0, frame_of(recipe))
    assert path.read_bytes() == (tmp_path / "whole.png").read_bytes()
    assert {one.name for one in tmp_path.iterdir()} == {"whole.png", "one.png"}
    path.unlink()
    with kept(path, recipe) as sink:
        assert sink.missing(range(0)) == []
    assert sink.paths == []
    assert {one.name for one in tmp_path.iterdir()} == {"whole.png"}


def test_a_single_picture_of_another_recipe_is_not_replaced(tmp_path: Path) -> None:
    recipe, path = recipe_of(), tmp_path / "one.png"
    with pytest.raises(OutputError, match="is of another recipe"), kept(path, recipe) as late:
        written(path, recipe_of(samples=9))
        late.put(0, frame_of(recipe))
    written(tmp_path / "other.png", recipe_of(samples=9))
    assert path.read_bytes() == (tmp_path / "other.png").read_bytes()


def test_a_single_picture_does_not_go_where_frames_of_another_recipe_wait(tmp_path: Path) -> None:
    sheet, path = recipe_of(2), tmp_path / "a.png"
    with kept(path, sheet, columns=2) as sink:
        sink.put(0, frame_of(sheet, 0))
    with pytest.raises(OutputError, match=r"\.a\.png\.frames is of another recipe"):
        kept(path, recipe_of())
    with kept(path, sheet, columns=2) as sink:
        assert sink.missing(range(2)) == [1]


def test_those_who_have_no_part_in_a_picture_do_no_harm(tmp_path: Path) -> None:
    recipe, many = recipe_of(), 6
    together = Barrier(many, timeout=60)

    def part(path: Path, who: int) -> None:
        together.wait()
        with kept(path, recipe) as sink:
            if sink.missing([0] if who == 0 else []):
                sink.put(0, frame_of(recipe))

    with ThreadPoolExecutor(many) as threads:
        for number in range(4):
            path = tmp_path / str(number) / "a.png"
            path.parent.mkdir()
            [*threads.map(part, [path] * many, range(many))]
            assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("out", ["a.gif", "a.png", "seq/"])
def test_a_disk_that_vanishes_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    recipe = recipe_of(1 if out == "a.png" else 2)

    def gone(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    with (
        monkeypatch.context() as patch,
        pytest.raises(OutputError, match="not connected"),
        open_sink(target_of(f"{tmp_path}/{out}"), recipe, resume=True) as sink,
    ):
        for name in ("open", "stat", "unlink", "mkdir", "rename", "replace", "rmdir", "scandir"):
            patch.setattr(os, name, gone)
        for k in range(len(recipe)):
            sink.put(k, frame_of(recipe, k))
    discard_all()


def test_what_is_there_must_be_known(tmp_path: Path) -> None:
    recipe = recipe_of(2)
    (tmp_path / "a.gif").write_bytes(b"GIF89a, but no recipe")
    with pytest.raises(OutputError, match="carries no recipe to know it by"):
        kept(tmp_path / "a.gif", recipe)
    written(tmp_path / "a.gif", recipe)
    with pytest.raises(OutputError, match=r"`plan.frames` is 2 there and 3 here"):
        kept(tmp_path / "a.gif", recipe_of(3))


def test_an_encoder_that_cannot_work_is_found_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be encoded"):
        kept(tmp_path / "a.mp4", recipe_of(2, size=8), encoding=Encoding(codec="h265"))
    with pytest.raises(UsageError, match="carries no recipe, by which `resume`"):
        kept(tmp_path / "a.y4m", recipe_of(2))
    assert list(tmp_path.iterdir()) == []
