"""Files that a command reads, where `-` is standard input."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from graf_cli.arrays import MAX_BYTES
from graf_cli.errors import UsageError

T = TypeVar("T")
STDIN = Path("-")


def only_one_stdin(**paths: Path | None) -> None:
    """Refuse to read standard input for two options.

    Raises
    ------
    UsageError
    """
    readers = [f"--{name}" for name, path in paths.items() if path == STDIN]
    if len(readers) > 1:
        raise UsageError(f"{' and '.join(readers)} cannot both read standard input; name files.")


def read_from(path: Path, read: Callable[[Path], T]) -> T:
    """Call a reader of files; standard input is spooled to one first.

    Raises
    ------
    UsageError
        Of the reader, in the words of the command line.
    """
    if path != STDIN:
        return read(path)
    with _spooled() as spool:
        try:
            return read(spool)
        except UsageError as error:
            raise UsageError(str(error).replace(str(spool), "Standard input")) from error


@contextmanager
def _spooled() -> Iterator[Path]:
    """Standard input as a file; JSON is told from arrays by its first byte."""
    with tempfile.TemporaryDirectory(prefix="graf-") as folder:
        data = sys.stdin.buffer.read(1 << 20)
        suffix = ".json" if data.lstrip().startswith(b"{") else ".npy"
        spool = Path(folder) / f"input{suffix}"
        total = 0
        with spool.open("wb") as stream:
            while data:
                total += len(data)
                if total > MAX_BYTES:
                    raise UsageError("Standard input is longer than a gigabyte; split it.")
                stream.write(data)
                data = sys.stdin.buffer.read(1 << 20)
        yield spool
