"""Numbers from `.npy` and `.npz` files, read without trusting them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from graf_cli.errors import UsageError

MAX_BYTES = 1 << 30

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def read_arrays(source: Path | BinaryIO) -> Mapping[str, Array]:
    """The arrays of a file by name; that of a `.npy` has the empty name.

    Raises
    ------
    UsageError
        When the file is not there, not one of NumPy's, holds anything but finite numbers, or
        more of them than a gigabyte.
    """
    try:
        loaded = np.load(source, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": _numbers(source, loaded)}
        with loaded:
            _check_size(source, loaded.zip)
            return {name: _numbers(source, loaded[name]) for name in loaded.files}
    except OSError as error:
        reason = error.strerror or "it is damaged"
        raise UsageError(f"{source} cannot be read: {reason}; name a .npy or .npz file.") from error
    except (ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise UsageError(f"{source} is no .npy or .npz file of numbers: {error}.") from error


def _check_size(source: Path | BinaryIO, archive: zipfile.ZipFile | None) -> None:
    members = archive.infolist() if archive else []
    if sum(member.file_size for member in members) > MAX_BYTES:
        raise UsageError(f"{source} unpacks to more than a gigabyte; split it.")


def _numbers(source: Path | BinaryIO, array: np.ndarray) -> Array:
    if array.dtype.kind not in "fiu" or array.nbytes > MAX_BYTES:
        raise UsageError(f"{source} holds {array.dtype} of shape {array.shape}, not numbers.")
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise UsageError(f"{source} holds NaN or infinite numbers; mend them first.")
    return numbers
