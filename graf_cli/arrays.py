"""Numbers from `.npy` and `.npz` files, read without trusting them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
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
    name = str(source) if isinstance(source, Path) else "Standard input"
    try:
        # Opened here, since NumPy leaves a damaged archive open.
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as stream:
            return _read(name, stream)
    except UsageError:
        raise
    except OSError as error:
        reason = error.strerror or "it is damaged"
        raise UsageError(f"{name} cannot be read: {reason}; name a .npy or .npz file.") from error
    except Exception as error:  # NumPy and zipfile raise nearly anything on a damaged file
        raise UsageError(
            f"{name} is not a .npy or .npz file of numbers; name one that is."
        ) from error


def _read(name: str, stream: BinaryIO) -> Mapping[str, Array]:
    loaded = np.load(stream, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return {"": _numbers(name, loaded)}
    with loaded:
        _check_size(name, loaded.zip)
        return {key: _numbers(name, loaded[key]) for key in loaded.files}


def _check_size(name: str, archive: zipfile.ZipFile | None) -> None:
    members = archive.infolist() if archive else []
    if sum(member.file_size for member in members) > MAX_BYTES:
        raise _too_large(name)


def _numbers(name: str, array: object) -> Array:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        what = array.dtype if isinstance(array, np.ndarray) else "other files"
        raise UsageError(f"{name} holds {what}, not numbers; name a .npy or .npz file of numbers.")
    if array.size * 8 > MAX_BYTES:
        raise _too_large(name)
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise UsageError(f"{name} holds NaN or infinite numbers; fix them first.")
    return numbers


def _too_large(name: str) -> UsageError:
    return UsageError(f"{name} unpacks to more than a gigabyte; split it.")
