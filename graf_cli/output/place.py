"""Every write is a temporary file beside its place and a rename."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graf_cli.errors import OutputError


def reserve(path: Path, *, clobber: bool = True) -> Path:
    """Make an empty temporary file beside `path`, which proves that the place can be written.

    Raises
    ------
    OutputError
        When it cannot, or when `path` is there and must not be replaced.
    """
    if not clobber and path.exists():
        raise OutputError(f"{path} is already there and --no-clobber keeps it; name another --out.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder; write `{path}/` for a sequence of pictures.")
    temporary = path.with_name(f".{path.stem[:100]}-{secrets.token_hex(4)}.part{path.suffix}")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.open("xb").close()
    return temporary


def publish(temporary: Path, path: Path) -> None:
    """Give a finished temporary file its final name.

    Raises
    ------
    OutputError
    """
    with explained(path):
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)


def discard(temporary: Path) -> None:
    """Remove a temporary file, if it is there and can be removed."""
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        return


@contextmanager
def placed(path: Path, *, clobber: bool = True) -> Iterator[Path]:
    """A temporary file that takes the name `path` when the block ends well, else goes.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    temporary = reserve(path, clobber=clobber)
    try:
        with explained(path):
            yield temporary
        publish(temporary, path)
    finally:
        discard(temporary)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Tell what the system says of a file as one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path} cannot be written: {reason}; free the place or name another --out."
        ) from error
