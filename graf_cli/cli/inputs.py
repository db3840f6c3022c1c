"""Files that a command reads, where `-` is standard input."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from graf_cli.arrays import MAX_BYTES
from graf_cli.errors import UsageError

if TYPE_CHECKING:
    from graf_cli.scene.poses import Poses
    from graf_cli.scene.spec import ModelSpec

T = TypeVar("T")
STDIN = Path("-")

log = logging.getLogger("graf")


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
            # As it was written, before its fields are spelled for whoever reads it.
            message = str(error.args[0]).replace(str(spool), "Standard input")
            raise UsageError(message) from error


def cameras_from(
    path: Path, size: tuple[int, int] | None, spec: ModelSpec, fov: tuple[float, ...] | None
) -> Poses:
    """The cameras of a file, with as much of their lenses as the job takes from it.

    Raises
    ------
    UsageError
    """
    from graf_cli.model.spec import features_of
    from graf_cli.scene.poses import read_poses

    llff = features_of(spec).llff
    free = fov is not None or spec.camera.orthographic
    # Their proportions do not matter when their lenses are not used.
    usual = None if free else (spec.size, spec.size)
    cameras = read_from(path, lambda file: read_poses(file, None if free else size, llff, usual))
    if free and (cameras.intrinsics or cameras.fov is not None):
        why = "--fov replaces" if fov is not None else f"{spec.name} has parallel rays, unlike"
        log.warning("%s the lenses of %s, which are not used.", why, path)
        cameras = replace(cameras, intrinsics=(), fov=None)
    return replace(cameras, size=size or cameras.size)


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
