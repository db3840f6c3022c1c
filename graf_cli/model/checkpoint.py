"""A file becomes tensors: the only place that unpickles.

Three kinds of file are read: `torch.save` archives, the stream format that preceded them, and the
safetensors files that graf writes itself. Pickles pass two walls: an inspection of our own that
builds nothing and holds every announced size against the file's, then
``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.model.field import RadianceField
from graf_cli.model.spec import ModelSpec

Tensors = dict[str, Tensor]
COARSE, FINE = "generator", "generator_fine"
AVERAGED = {COARSE: "generator_test", FINE: "generator_fine_test"}  # the weights to render
SPEC_KEY = "graf"  # of a safetensors file's metadata
MAX_PICKLE = 64 << 20  # bytes; the released files' pickles hold a few kilobytes
STREAM_PICKLES = 5  # magic number, protocol, system, object, storage keys

_NUMPY_SCALAR = (
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "dtype"),
    ("numpy.dtypes", "Float64DType"),
    ("_codecs", "encode"),
)
_STORAGES = {
    "FloatStorage": 4,
    "DoubleStorage": 8,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "LongStorage": 8,
    "IntStorage": 4,
    "ShortStorage": 2,
    "CharStorage": 1,
    "ByteStorage": 1,
    "BoolStorage": 1,
}
_REBUILD = (
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
)


@dataclass(frozen=True)
class Weights:
    """The averaged generator of one file.

    Attributes
    ----------
    coarse : dict of Tensor
        State dict of the generator, float32 on the CPU.
    fine : dict of Tensor or None
        That of the second pass, when the file has one.
    spec : ModelSpec or None
        What the file itself says of its model; only graf's own files do.
    """

    coarse: Tensors
    fine: Tensors | None = None
    spec: ModelSpec | None = None


def read_weights(path: Path) -> Weights:
    """Read the averaged generator out of a checkpoint, without trusting it.

    Raises
    ------
    CheckpointError
        When the file is not there, is no checkpoint, asks for anything outside the allow-list,
        announces more data than it has, or holds no averaged generator.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(9)
            stream.seek(0)
            if start[8:] == b"{":
                return _read_safetensors(path)
            return _read_pickled(path, stream)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{path} cannot be read: {reason}; name a checkpoint file.") from error


def write_weights(path: Path, spec: ModelSpec, weights: Weights, dtype: torch.dtype) -> None:
    """Write a safetensors file that holds a generator and its specification.

    The bytes depend on the arguments alone. The file is written in place: give the name of a
    temporary file and rename it.
    """
    tensors = {f"{COARSE}.{name}": tensor for name, tensor in weights.coarse.items()}
    tensors |= {f"{FINE}.{name}": tensor for name, tensor in (weights.fine or {}).items()}
    stored = {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
    spec_json = msgspec.json.encode(msgspec.structs.replace(spec, weights=None)).decode()
    path.write_bytes(safetensors.torch.save(stored, {SPEC_KEY: spec_json}))


def check_weights(path: Path, spec: ModelSpec, weights: Weights) -> None:
    """Hold every tensor against the network that the specification describes.

    Raises
    ------
    CheckpointError
        Naming the first tensor that is missing, extra, misshapen, NaN or infinite.
    """
    _check_network(path, COARSE, weights.coarse, _expected(spec, fine=False))
    if weights.fine is None:
        return
    if not spec.network.importance:
        raise CheckpointError(
            f"{path} holds a generator for a second pass, but its configuration has no second pass; "
            "set N_importance in the configuration as it was in training."
        )
    _check_network(path, FINE, weights.fine, _expected(spec, fine=True))


def _expected(spec: ModelSpec, *, fine: bool) -> dict[str, torch.Size]:
    field = RadianceField(
        spec.network, spec.latent, fine=fine, device="meta", dtype=torch.float32
    )
    return {name: tensor.shape for name, tensor in field.state_dict().items()}


def _check_network(
    path: Path, network: str, tensors: Tensors, expected: Mapping[str, torch.Size]
) -> None:
    hint = "check that checkpoint and configuration belong together."
    for name in expected.keys() - tensors.keys():
        raise CheckpointError(f"{path} has no tensor `{network}.{name}`; {hint}")
    for name in tensors.keys() - expected.keys():
        raise CheckpointError(f"{path} has a tensor `{network}.{name}` too many; {hint}")
    for name, tensor in tensors.items():
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


# safetensors


def _read_safetensors(path: Path) -> Weights:
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged: {error}; download or convert it again."
        ) from error
    groups: dict[str, Tensors] = {COARSE: {}, FINE: {}}
    for name, tensor in tensors.items():
        network, _, key = name.partition(".")
        if network not in groups:
            raise CheckpointError(
                f"{path} has a tensor `{name}` that no generator has; make it with `graf convert`."
            )
        groups[network][key] = _as_float(path, name, tensor)
    return Weights(groups[COARSE], groups[FINE] or None, _spec_of(path, metadata))


def _spec_of(path: Path, metadata: Mapping[str, str]) -> ModelSpec | None:
    if SPEC_KEY not in metadata:
        return None
    try:
        return msgspec.json.decode(metadata[SPEC_KEY], type=ModelSpec)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise CheckpointError(
            f"{path} describes its model wrongly: {error}; convert the checkpoint again."
        ) from error


def _as_float(path: Path, name: str, tensor: object) -> Tensor:
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        raise CheckpointError(
            f"{path}: `{name}` is not a tensor of floating-point numbers; "
            "this is not a checkpoint of GRAF."
        )
    return tensor.detach().to(device="cpu", dtype=torch.float32)


# pickles


def _read_pickled(path: Path, stream: BinaryIO) -> Weights:
    try:
        _inspect(path, stream)
        stream.seek(0)
        with _numpy_scalars_allowed():
            content = torch.load(stream, map_location="cpu", weights_only=True)
    except (CheckpointError, OSError):
        raise
    except Exception as error:  # a hostile pickle may raise anything at all
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"{path} is not a checkpoint that can be read safely: {first_line.rstrip('.')}; "
            "give a file that GRAF's training script saved."
        ) from error
    return _averaged(path, content)


def _averaged(path: Path, content: object) -> Weights:
    if not isinstance(content, dict) or AVERAGED[COARSE] not in content:
        raise CheckpointError(
            f"{path} holds no `{AVERAGED[COARSE]}`, the averaged generator; "
            "give a file that GRAF's training script saved."
        )
    groups = {
        network: _state_dict(path, key, content[key])
        for network, key in AVERAGED.items()
        if content.get(key) is not None
    }
    return Weights(groups[COARSE], groups.get(FINE))


def _state_dict(path: Path, key: str, value: object) -> Tensors:
    if not isinstance(value, Mapping):
        raise CheckpointError(f"{path}: `{key}` is not a state dict; the file is damaged.")
    return {str(name): _as_float(path, f"{key}.{name}", tensor) for name, tensor in value.items()}


@contextmanager
def _numpy_scalars_allowed() -> Iterator[None]:
    """Let the scores `fid_best` and `kid_best` through, which NumPy 1 pickled as scalars."""
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    allowed = [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        np.dtypes.Float64DType,
    ]
    with torch.serialization.safe_globals(allowed):
        yield


def _inspect(path: Path, stream: BinaryIO) -> None:
    """Walk the pickles without building anything; refuse what is not on the list or too large."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if zipfile.is_zipfile(stream):
        stream.seek(0)
        _inspect_archive(path, stream)
        return
    stream.seek(0)
    inspector = _Inspector(path, stream)
    for _ in range(STREAM_PICKLES):
        inspector = _Inspector(path, stream, inspector.announced)
        inspector.load()
    if sum(inspector.announced.values()) > size:
        raise _announces_too_much(path)


def _inspect_archive(path: Path, stream: BinaryIO) -> None:
    with zipfile.ZipFile(stream) as archive:
        records = {info.filename: info for info in archive.infolist()}
        if any(info.compress_type != zipfile.ZIP_STORED for info in records.values()):
            raise CheckpointError(
                f"{path} is a compressed archive, which no checkpoint is; unpack it first."
            )
        pickles = [name for name in records if name.endswith("/data.pkl")]
        if len(pickles) != 1 or records[pickles[0]].file_size > MAX_PICKLE:
            raise CheckpointError(
                f"{path} is an archive but not one of `torch.save`; "
                "give a file that GRAF's training script saved."
            )
        inspector = _Inspector(path, io.BytesIO(archive.read(pickles[0])))
        inspector.load()
    root = pickles[0].removesuffix("data.pkl")
    for key, announced in inspector.announced.items():
        record = records.get(f"{root}data/{key}")
        if record is None or record.file_size != announced:
            raise _announces_too_much(path)


def _announces_too_much(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} is truncated or damaged: it announces other sizes than it has; download it again."
    )


class _Inert:
    """What an inspected pickle gets in place of everything that it asks for."""

    def __init__(self, *_: object) -> None: ...

    def __call__(self, *_: object) -> _Inert:
        return self

    def __setstate__(self, state: object) -> None: ...

    def __setitem__(self, key: object, value: object) -> None: ...


class _Inspector(pickle.Unpickler):
    """Reads a pickle into inert objects and notes the bytes of each storage it announces."""

    def __init__(
        self, path: Path, stream: BinaryIO, announced: dict[str, int] | None = None
    ) -> None:
        super().__init__(stream, encoding="utf-8")
        self.path = path
        self.announced = {} if announced is None else announced

    def find_class(self, module: str, name: str) -> object:
        if module == "torch" and name in _STORAGES:
            return name
        if (module, name) in _NUMPY_SCALAR or (module, name) in _REBUILD:
            return _Inert
        raise CheckpointError(
            f"{self.path} is not safe to read: it asks for `{module}.{name}`; "
            "give a file that GRAF's training script saved."
        )

    def persistent_load(self, pid: object) -> object:
        match pid:
            case ("storage", str(kind), str(key), str(), int(count), *_) if (
                kind in _STORAGES and 0 <= count < 1 << 40
            ):
                self.announced[key] = _STORAGES[kind] * count
                return _Inert()
        raise CheckpointError(f"{self.path} is damaged: a storage is not described as one.")
