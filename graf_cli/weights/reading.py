"""A file becomes tensors and plain data, without trust and without knowing any model.

Three kinds of file are read: `torch.save` archives, the stream format that preceded them, and
safetensors files. Pickles pass two walls: an inspection of our own that builds nothing
(`graf_cli.weights.pickles`) and holds every announced size against the file's, then
``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors
import torch
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.weights.pickles import (
    MAX_PICKLE,
    NUMPY_SCALARS,
    Allowed,
    UnsafePickleError,
    inspect_pickle,
)

Tensors = dict[str, Tensor]

ZIP_START = b"PK\x03\x04"
STREAM_PICKLES = 5  # magic number, protocol, system, object, storage keys
MAX_PARAMETERS = 1 << 28  # of one network; GRAF's released ones have 677,764


@dataclass(frozen=True)
class Stored:
    """What a file holds.

    Attributes
    ----------
    content : mapping
        Nested mappings of tensors and plain data, under the file's own names.
    metadata : mapping of str to str
        Of a safetensors file; other files have none.
    """

    content: Mapping[str, Any]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read(path: Path, allowed: Allowed | None = None) -> Stored:
    """Read a file, without trusting it.

    Parameters
    ----------
    path : Path
    allowed : mapping of str to Function, optional
        What a pickle may name beside tensors; a safetensors file names nothing.

    Raises
    ------
    CheckpointError
        When the file is not there, is not a checkpoint, asks for anything outside the allow-list,
        or announces more data than it has.
    """
    try:
        with path.open("rb") as stream:
            if is_safetensors(stream):
                return _read_safetensors(path)
            return Stored(_read_pickled(path, stream, allowed or {}))
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(
            f"{path} cannot be read: {reason}; name a checkpoint file."
        ) from error


def is_safetensors(stream: BinaryIO) -> bool:
    """Whether a file is one, by its first bytes; it is rewound."""
    start = stream.read(9)
    stream.seek(0)
    return start[8:] == b"{"


def grouped(path: Path, tensors: Mapping[str, Any], networks: tuple[str, ...]) -> dict[str, Any]:
    """Tensors under ``NETWORK.NAME`` become state dicts by network.

    Raises
    ------
    CheckpointError
        When one is of no such network.
    """
    groups: dict[str, Tensors] = {}
    for name, tensor in tensors.items():
        network, _, key = name.partition(".")
        if network not in networks:
            raise CheckpointError(
                f"{path} has a tensor `{name}` that no generator has; make it with `graf convert`."
            )
        groups.setdefault(network, {})[key] = tensor
    return groups


def state_dict(path: Path, network: str, value: object, family: str) -> Tensors:
    """A state dict as float32, its size known to be bearable before anything is converted.

    Raises
    ------
    CheckpointError
        When it is none, or larger than any; it says that this is not a checkpoint of `family`.
    """
    if not isinstance(value, Mapping):
        raise CheckpointError(
            f"{path}: `{network}` is not a state dict; this is not a checkpoint of {family}."
        )
    for name, tensor in value.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            raise CheckpointError(
                f"{path}: `{network}.{name}` is not a tensor of floating-point numbers; "
                f"this is not a checkpoint of {family}."
            )
    if sum(tensor.numel() for tensor in value.values()) > MAX_PARAMETERS:
        raise CheckpointError(
            f"{path}: `{network}` has more than {MAX_PARAMETERS:,} parameters; "
            f"this is not a checkpoint of {family}."
        )
    return {
        str(name): tensor.detach().to(device="cpu", dtype=torch.float32)
        for name, tensor in value.items()
    }


def check_network(
    path: Path, network: str, tensors: Tensors, expected: Mapping[str, torch.Size]
) -> None:
    """Hold every tensor of a network against what it is to be.

    Raises
    ------
    CheckpointError
        Naming the first tensor that is missing, extra, misshapen, NaN or infinite.
    """
    hint = "check that checkpoint and configuration belong together."
    missing = [name for name in expected if name not in tensors]
    if missing:
        raise CheckpointError(f"{path} has no tensor `{network}.{missing[0]}`; {hint}")
    for name, tensor in tensors.items():
        if name not in expected:
            raise CheckpointError(f"{path} has a tensor `{network}.{name}` too many; {hint}")
        found, wanted = tuple(tensor.shape), tuple(expected[name])
        if found != wanted:
            raise CheckpointError(
                f"{path}: tensor `{network}.{name}` has shape {found} instead of {wanted}; {hint}"
            )
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"{path}: tensor `{network}.{name}` holds NaN or infinite numbers; "
                "use a checkpoint from before the training diverged."
            )


def _read_safetensors(path: Path) -> Stored:
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged: {str(error).rstrip('.')}; download or convert it again."
        ) from error
    return Stored(tensors, metadata)


# pickles


def _read_pickled(path: Path, stream: BinaryIO, allowed: Allowed) -> Mapping[str, Any]:
    try:
        _inspect(path, stream, allowed)
        stream.seek(0)
        with _allowing(allowed):
            content = torch.load(stream, map_location="cpu", weights_only=True)
    except (CheckpointError, OSError):
        raise
    except UnsafePickleError as error:
        raise CheckpointError(
            f"{path} is not safe to read: it {error}; give a file that a training script saved."
        ) from error
    except Exception as error:  # a damaged file may raise anything at all
        raise CheckpointError(
            f"{path} is not a checkpoint or a damaged one; give a file that a training script "
            "saved, or download it again."
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds no state dict; give a file that a training script saved."
        )
    return content


@contextmanager
def _allowing(allowed: Allowed) -> Iterator[None]:
    """Let through the second wall what the first one let through."""
    if not NUMPY_SCALARS.keys() & allowed.keys():
        yield
        return
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    scalars: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        np.dtypes.Float64DType,
    ]
    with torch.serialization.safe_globals(scalars):
        yield


def _inspect(path: Path, stream: BinaryIO, allowed: Allowed) -> None:
    """Walk the pickles without building anything; refuse what is not on the list or too large."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    # By its first bytes, as PyTorch decides: an archive behind a stream is not to be inspected
    # in the stream's place.
    if stream.read(len(ZIP_START)) == ZIP_START:
        _inspect_archive(path, stream, size, allowed)
        return
    stream.seek(0)
    announced: dict[str, int] = {}
    for _ in range(STREAM_PICKLES):
        inspect_pickle(stream, announced, allowed)
    if sum(announced.values()) > size:
        raise _announces_too_much(path)


def _inspect_archive(path: Path, stream: BinaryIO, size: int, allowed: Allowed) -> None:
    with zipfile.ZipFile(stream) as archive:
        records = {info.filename: info for info in archive.infolist()}
        _check_records(path, archive.infolist(), size)
        pickles = [name for name in records if name.endswith("/data.pkl")]
        if len(pickles) != 1 or records[pickles[0]].file_size > MAX_PICKLE:
            raise CheckpointError(
                f"{path} is an archive but not one of `torch.save`; "
                "give a file that a training script saved."
            )
        announced: dict[str, int] = {}
        inspect_pickle(io.BytesIO(archive.read(pickles[0])), announced, allowed)
    root = pickles[0].removesuffix("data.pkl")
    for key, length in announced.items():
        record = records.get(f"{root}data/{key}")
        if record is None or record.file_size != length:
            raise _announces_too_much(path)


def _check_records(path: Path, records: list[zipfile.ZipInfo], size: int) -> None:
    """Hold the records to what another reader of the same archive may take them for."""
    if any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise CheckpointError(
            f"{path} is a compressed archive, which no checkpoint is; unpack it first."
        )
    # A name means one record, even to a reader that ignores case or reads on behind a NUL.
    names = {record.filename.casefold() for record in records}
    if len(names) < len(records) or any(r.filename != r.orig_filename for r in records):
        raise CheckpointError(f"{path} is damaged: two records share a name; download it again.")
    if any(r.compress_size != r.file_size for r in records):
        raise _announces_too_much(path)
    if sum(record.file_size for record in records) > size:
        raise _announces_too_much(path)


def _announces_too_much(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} is truncated or damaged: it announces other sizes than it has; download it again."
    )
