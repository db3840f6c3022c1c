"""Every write happens in a temporary folder beside its place, and ends in a rename."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import ENOTDIR
from pathlib import Path
from typing import Self

from graf_cli.errors import OutputError

PART = ".part"  # how whatever is not finished ends; its name begins with a dot
NEW = ".new"  # the same, in a folder that is locked

_unfinished: set[Path] = set()  # that is there now, so that an end at any moment can remove it


class Place:
    """Where a file is made before it takes its name; `opened` makes it.

    Parameters
    ----------
    path : Path
        The final name; its folder is made when it is not there.
    clobber : bool
        Whether a file that is there is replaced.
    within : Path, optional
        A folder on the same disk to work in, rather than beside `path`.

    Attributes
    ----------
    file : Path
        What to write; its folder holds whatever else is needed on the way.
    """

    def __init__(self, path: Path, *, clobber: bool = True, within: Path | None = None) -> None:
        self.path, self.clobber = path, clobber
        self.folder = _temporary(within / path.name if within else path, PART)
        self.file = self.folder / f"file{path.suffix}"

    def opened(self) -> Self:
        """The same, with a temporary folder to write into.

        Raises
        ------
        OutputError
            When the place cannot be written, or `path` is there and must not be replaced.
        """
        self._refuse_present()
        with explained(self.path):
            _check_file(self.path)
        _unfinished.add(self.folder)
        try:
            with explained(self.path):
                make_folder(self.path.parent)
                self.folder.mkdir(mode=0o700)
        except BaseException:
            self.discard()
            raise
        return self

    def publish(self) -> None:
        """Give the finished file its final name.

        Raises
        ------
        OutputError
        """
        self._refuse_present()
        with explained(self.path):
            with self.file.open("rb") as stream:
                os.fsync(stream.fileno())
            self.file.replace(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove the temporary folder, if it is there and can be removed."""
        _remove(self.folder)

    def _refuse_present(self) -> None:
        if not self.clobber:
            refuse_present(self.path)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder; write `{path}/` for a sequence of pictures.")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is not a file that can be replaced; use ⟨out⟩ - for pipes.")


def refuse_present(path: Path) -> None:
    """Keep a file that is there.

    Raises
    ------
    OutputError
    """
    with explained(path):
        there = path.exists()
    if there:
        raise OutputError(f"{path} is already there and ⟨no clobber⟩ keeps it; name another ⟨out⟩.")


def discard_all() -> None:
    """Remove all that this process has not finished: for its end, whenever that comes."""
    for path in tuple(_unfinished):
        _remove(path)


def sweep(folder: Path, *suffixes: str) -> None:
    """Remove what jobs that were killed left in a folder that nobody writes into."""
    for suffix in suffixes:
        for path in folder.glob(f".*{suffix}"):
            _remove(path)


def _temporary(path: Path, suffix: str) -> Path:
    """A name beside `path` that nobody else has."""
    return path.with_name(f".{path.stem[:100]}-{secrets.token_hex(4)}{suffix}")


def _remove(path: Path) -> None:
    with suppress(OSError):  # even to ask what it is, on a disk that has vanished
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    _unfinished.discard(path)


@contextmanager
def beside(path: Path, *, clobber: bool = True, within: Path | None = None) -> Iterator[Path]:
    """As `placed`, for a file in a folder that is there and locked (see `folder_lock`).

    A file below the locked folder is made `within` that folder, where it is swept away.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    temporary = _temporary(within / path.name if within else path, NEW)
    _unfinished.add(temporary)
    try:
        with explained(path):
            yield temporary
            if not clobber:
                refuse_present(path)
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
    finally:
        _remove(temporary)


@contextmanager
def placed(path: Path, *, clobber: bool = True) -> Iterator[Path]:
    """A temporary file that takes the name `path` when the block ends well, else goes.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    place = Place(path, clobber=clobber).opened()
    try:
        with explained(path):
            yield place.file
        place.publish()
    finally:
        place.discard()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises
    ------
    OSError
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(ENOTDIR, f"{folder} is not a folder") from error


@contextmanager
def unless(done: Callable[[], bool]) -> Iterator[None]:
    """No failure is one when what was to be made is there: another process has made it.

    What is kept on the way goes with its being made.
    """
    try:
        yield
    except OutputError:
        if not done():
            raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Tell what the system says of a file as one sentence; that a reader has gone stays."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path} cannot be written: {reason}; free the place or name another ⟨out⟩."
        ) from error
