"""Who may write into a folder, and that nothing is left when all have gone."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
from pathlib import Path

import pytest

from graf_cli.errors import OutputError
from graf_cli.output.formats import target_of
from graf_cli.output.open import open_sink
from graf_cli.output.store import byte_lock
from graf_cli.output.store import folder_lock as lock_module
from graf_cli.output.store.folder_lock import LOCK, FolderLock, locked, one_at_a_time, vacate
from tests.output.frames import recipe_of


class Pretended:
    """Locks of bytes, exclusive and of an open file, as Windows has them."""

    def lock(self, descriptor: int, first: int, count: int) -> None:
        self._ask(descriptor, fcntl.F_WRLCK, first, count)

    def unlock(self, descriptor: int, first: int, count: int) -> None:
        self._ask(descriptor, fcntl.F_UNLCK, first, count)

    def _ask(self, descriptor: int, kind: int, first: int, count: int) -> None:
        wanted = struct.pack("hhqqi4x", kind, os.SEEK_SET, first, count, 0)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
        except BlockingIOError as error:
            raise PermissionError(*error.args) from error


@pytest.fixture(params=["of files", "of bytes"], autouse=True)
def locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own, and those of a system that has no others than exclusive ones of bytes."""
    if request.param == "of bytes":
        if not hasattr(fcntl, "F_OFD_SETLK"):
            pytest.skip("this system cannot pretend to have such locks")
        monkeypatch.setattr(byte_lock, "SYSTEM", Pretended())


def test_two_recipes_are_kept_apart(tmp_path: Path) -> None:
    with (
        open_sink(target_of(f"{tmp_path}/"), recipe_of(2)),
        pytest.raises(OutputError, match="another graf with another recipe"),
    ):
        open_sink(target_of(f"{tmp_path}/"), recipe_of(3))


def test_a_folder_that_is_vacated_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.png").touch()
    other = FolderLock(tmp_path / "a").share()
    vacate(tmp_path / "a")
    assert (tmp_path / "a" / "0.png").exists()
    other.release()
    vacate(tmp_path / "a")
    assert [*tmp_path.iterdir()] == []


def test_many_may_share(tmp_path: Path) -> None:
    claims = [FolderLock(tmp_path).share() for _ in range(3)]
    assert not FolderLock(tmp_path).alone()
    for lock in claims:
        lock.release()
    assert list(tmp_path.iterdir()) == []


def test_one_alone_keeps_others_out(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert first.alone()
    assert not second.alone()
    first.share()
    assert not second.alone()
    second.share()
    first.release()
    assert (tmp_path / LOCK).exists()  # somebody is still there
    assert second.alone()
    second.release()
    second.release()  # once more does nothing
    assert list(tmp_path.iterdir()) == []


def test_the_last_one_removes_what_dead_jobs_left(tmp_path: Path) -> None:
    (tmp_path / ".0003-abcdef01.new").write_bytes(b"half")
    (tmp_path / ".movie-abcdef01.part").mkdir()  # somebody's who claims nothing
    first, second = FolderLock(tmp_path).share(), FolderLock(tmp_path).share()
    first.release()
    assert (tmp_path / ".0003-abcdef01.new").exists()
    second.release()
    assert [path.name for path in tmp_path.iterdir()] == [".movie-abcdef01.part"]


def test_a_lock_that_was_removed_meanwhile_is_made_again(tmp_path: Path) -> None:
    waiting = FolderLock(tmp_path).share()
    (tmp_path / LOCK).unlink()
    other = FolderLock(tmp_path)
    assert other.alone()
    other.release()
    assert waiting.alone()
    waiting.release()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        FolderLock(tmp_path).alone()
        os.write(write, b"x")
        signal.pause()
    os.read(read, 1)
    lock = FolderLock(tmp_path)
    assert not lock.alone()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert lock.alone()
    lock.release()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"), one_at_a_time(tmp_path / "gone"):
        pass


def test_a_folder_that_goes_before_it_is_claimed_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a"
    share, gone = FolderLock.share, iter((True, True, False))

    def late(lock: FolderLock) -> FolderLock:
        if next(gone):
            folder.rmdir()
        return share(lock)

    monkeypatch.setattr(FolderLock, "share", late)
    locked(folder).release()
    assert not next(gone, False)
    assert [*folder.iterdir()] == []


def test_a_folder_that_always_goes_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "make_folder", lambda folder: None)
    with pytest.raises(OutputError, match="No such file or directory"):
        locked(tmp_path / "a")


def test_a_folder_made_anew_is_left_to_whoever_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = locked(tmp_path / "a").path.parent
    FolderLock(folder).release()
    remove, others = shutil.rmtree, []

    def overtaken(path: Path, *, ignore_errors: bool) -> None:
        remove(path, ignore_errors=ignore_errors)
        others.append(locked(path))
        (path / ".b-12345678.new").touch()

    monkeypatch.setattr(shutil, "rmtree", overtaken)
    (folder / LOCK).unlink()
    vacate(folder)
    assert {path.name for path in folder.iterdir()} == {LOCK, ".b-12345678.new"}
    assert not FolderLock(folder).alone()
    others[0].release()
    assert [*folder.iterdir()] == []
