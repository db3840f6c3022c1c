"""Every write happens in a temporary folder beside its place, and ends in a rename."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOTDIR
from pathlib import Path

from graf_cli.errors import OutputError

_folders: set[Path] = set()  # that are there now, so that an end at any moment can remove them


class Place:
    """Where a file is made before it takes its name.

    Parameters
    ----------
    path : Path
        The final name; its folder is made when it is not there.
    clobber : bool
        Whether a file that is there is replaced.

    Attributes
    ----------
    file : Path
        What to write; its folder holds whatever else is needed on the way.

    Raises
    ------
    OutputError
        When the place cannot be written, or `path` is there and must not be replaced.
    """

    def __init__(self, path: Path, *, clobber: bool = True) -> None:
        self.path, self.clobber = path, clobber
        self._refuse_present()
        if path.is_dir():
            raise OutputError(f"{path} is a folder; write `{path}/` for a sequence of pictures.")
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is no file that can be replaced; use --out - for pipes.")
        self.folder = path.with_name(f".{path.stem[:100]}-{secrets.token_hex(4)}.part")
        self.file = self.folder / f"file{path.suffix}"
        _folders.add(self.folder)
        try:
            with explained(path):
                _make_folder(path.parent)
                self.folder.mkdir(mode=0o700)
        except BaseException:
            self.discard()
            raise

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
        shutil.rmtree(self.folder, ignore_errors=True)
        _folders.discard(self.folder)

    def _refuse_present(self) -> None:
        if not self.clobber:
            refuse_present(self.path)


def refuse_present(path: Path) -> None:
    """Keep a file that is there.

    Raises
    ------
    OutputError
    """
    if path.exists():
        raise OutputError(f"{path} is already there and --no-clobber keeps it; name another --out.")


def discard_all() -> None:
    """Remove every temporary folder of this process: for its end, whenever that comes."""
    for folder in tuple(_folders):
        shutil.rmtree(folder, ignore_errors=True)
        _folders.discard(folder)


@contextmanager
def placed(path: Path, *, clobber: bool = True) -> Iterator[Path]:
    """A temporary file that takes the name `path` when the block ends well, else goes.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    place = Place(path, clobber=clobber)
    try:
        with explained(path):
            yield place.file
        place.publish()
    finally:
        place.discard()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(ENOTDIR, f"{folder} is no folder") from error


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
            f"{path} cannot be written: {reason}; free the place or name another --out."
        ) from error
