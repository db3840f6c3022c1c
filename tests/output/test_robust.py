"""Whatever goes wrong: no partial file under its name, no hang, nothing left, one sentence."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from graf_cli.errors import OutputError
from graf_cli.output.encode.ffmpeg import Ffmpeg
from graf_cli.output.encode.video import VideoWriter
from graf_cli.output.formats import target_of
from graf_cli.output.open import open_sink
from graf_cli.output.store import atomic
from graf_cli.output.store.atomic import Place, placed
from graf_cli.output.store.file import FileSink
from graf_cli.output.store.overlap import Overlapped
from graf_cli.output.store.sink import Sink
from graf_cli.output.table import FORMATS
from graf_cli.rendering.renderer import Frame
from tests.output.frames import frame_of, recipe_of, written

NAMES = sorted(FORMATS.keys() - {"jpeg"})


def shot(name: str) -> int:
    return 1 if FORMATS[name].holds == "one" else 3


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk(small_disk: Path, name: str) -> None:
    old = small_disk / f"a.{name}"
    old.write_bytes(b"old")
    (small_disk / "ballast").write_bytes(bytes(56 << 10))
    size = (80, 60) if name in ("jpg", "webp", "mp4", "webm", "gif") else (64, 48)
    frames = shot(name) if name != "webm" else 8
    recipe = recipe_of(frames, size=size, show=("rgb", "normal"))
    if name in ("mp4", "webm", "jpg", "webp", "gif"):
        (small_disk / "more").write_bytes(bytes(4 << 10))
    with pytest.raises(OutputError, match=r"No space left|cannot be") as told:
        written(old, recipe)
    assert "\n" not in str(told.value)
    assert old.read_bytes() == b"old"
    assert {path.name for path in small_disk.iterdir()} <= {old.name, "ballast", "more"}


@pytest.mark.parametrize("name", NAMES)
def test_a_job_that_fails_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"a.{name}"
    path.write_bytes(b"old")
    recipe = recipe_of(shot(name))
    with pytest.raises(KeyboardInterrupt), open_sink(target_of(str(path)), recipe) as sink:
        sink.write(frame_of(recipe))
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    sink.abort()  # once more does nothing


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_vanishes(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out"
    recipe = recipe_of(shot(name))
    with (
        pytest.raises(OutputError),
        open_sink(target_of(str(folder / f"a.{name}")), recipe) as sink,
    ):
        shutil.rmtree(folder)
        for k in range(shot(name)):
            sink.write(frame_of(recipe, k))
    assert list(tmp_path.iterdir()) == []


def test_a_sequence_keeps_what_is_finished(tmp_path: Path) -> None:
    recipe = recipe_of(3)
    with pytest.raises(KeyboardInterrupt), open_sink(target_of(f"{tmp_path}/seq/"), recipe) as sink:
        sink.write(frame_of(recipe))
        raise KeyboardInterrupt
    assert sorted(p.name for p in (tmp_path / "seq").iterdir()) == ["0000.png", "recipe.json"]


@pytest.mark.parametrize("name", ["mp4", "webm", "mov", "gif", "apng"])
def test_ffmpeg_killed_from_outside(tmp_path: Path, name: str) -> None:
    recipe = recipe_of(200, size=(64, 48))
    target = target_of(str(tmp_path / f"a.{name}"))
    with pytest.raises(OutputError, match="signal 9"), open_sink(target, recipe) as sink:
        assert isinstance(sink, FileSink)
        process = sink.writer.process  # type: ignore[union-attr]
        os.kill(process._process.pid, signal.SIGKILL)
        for k in range(200):
            sink.write(frame_of(recipe, k))
    assert list(tmp_path.iterdir()) == []


def test_an_end_at_any_moment_is_cleaned_up(tmp_path: Path) -> None:
    left = Place(tmp_path / "a.png").opened()
    left.file.write_bytes(b"half")
    atomic.discard_all()
    assert list(tmp_path.iterdir()) == []
    left.discard()


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(OutputError, match="already there"), placed(path, clobber=False) as file:
        file.write_text("mine")
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_devices_are_never_replaced() -> None:
    with pytest.raises(OutputError, match="not a file"):
        Place(Path("/dev/null")).opened()


class Stubborn(Sink):
    """Blocks in `write` until it is interrupted, or fails."""

    def __init__(self, failure: BaseException | None = None) -> None:
        super().__init__()
        self.failure = failure
        self.count = 0
        self.released = threading.Event()
        self.entered = threading.Event()

    def put(self, k: int, frame: Frame) -> None:
        self.count += 1
        self.entered.set()
        if self.failure is not None:
            raise self.failure
        self.released.wait()

    def interrupt(self) -> None:
        self.released.set()


def test_a_writer_that_fails_never_holds_up_the_renderer() -> None:
    frame = frame_of(recipe_of())
    with pytest.raises(OutputError, match="full"), Overlapped(Stubborn(OutputError("full"))) as out:
        for _ in range(100):
            out.put(0, frame)
    assert not out._thread.is_alive()


def test_a_failure_of_the_last_frame_is_raised_at_the_end() -> None:
    sink = Stubborn(OutputError("full"))
    with pytest.raises(OutputError, match="full"), Overlapped(sink) as out:
        out.put(0, frame_of(recipe_of()))
    assert sink.count == 1


def test_an_interrupt_cuts_a_blocked_write_short() -> None:
    sink = Stubborn()
    frame = frame_of(recipe_of())
    with pytest.raises(KeyboardInterrupt), Overlapped(sink) as out:
        out.put(0, frame)
        sink.entered.wait()
        out.put(0, frame)
        raise KeyboardInterrupt
    assert not out._thread.is_alive()
    assert sink.count == 1


def test_an_interrupt_while_the_last_frame_is_written() -> None:
    sink, over = Stubborn(), threading.Event()
    main = threading.main_thread().ident
    assert main is not None
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        sink.entered.wait()
        # To the thread that the kernel would choose; again when it fell into a finaliser, where
        # Python drops exceptions.
        signal.pthread_kill(main, signal.SIGINT)
        while not over.wait(1):
            signal.pthread_kill(main, signal.SIGINT)

    alarm = threading.Thread(target=interrupt)
    alarm.start()
    try:
        with pytest.raises(KeyboardInterrupt), Overlapped(sink) as out:
            out.put(0, frame_of(recipe_of()))
    finally:
        over.set()
        alarm.join()
        signal.signal(signal.SIGINT, kept)
    assert not out._thread.is_alive()


def test_a_writer_given_up_while_ffmpeg_sleeps(tmp_path: Path) -> None:
    """ffmpeg that takes nothing more blocks the writer; giving up ends both."""
    recipe = recipe_of(50, size=(256, 256))
    target = target_of(str(tmp_path / "a.mp4"))
    with pytest.raises(KeyboardInterrupt), open_sink(target, recipe) as sink:
        assert isinstance(sink, FileSink)
        assert isinstance(sink.writer, VideoWriter)
        ffmpeg: Ffmpeg = sink.writer.process
        os.kill(ffmpeg._process.pid, signal.SIGSTOP)
        with Overlapped(sink) as out:
            for _ in range(2):
                out.put(0, frame_of(recipe))
            raise KeyboardInterrupt
    assert not out._thread.is_alive()
    assert list(tmp_path.iterdir()) == []
