"""A file becomes tensors: the only place that unpickles.

Three kinds of file are read: `torch.save` archives, the stream format that preceded them, and the
safetensors files that graf writes itself. Pickles pass two walls: an inspection of our own that
builds nothing (`graf_cli.weights.pickles`) and holds every announced size against the file's, then
``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec
import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.families.graf.field import RadianceField
from graf_cli.model.spec import from_plain, to_plain
from graf_cli.scene.spec import ModelSpec, explain
from graf_cli.weights.pickles import MAX_PICKLE, UnsafePickleError, inspect_pickle

T = TypeVar("T")
Tensors = dict[str, Tensor]
COARSE, FINE = "generator", "generator_fine"
AVERAGED = {COARSE: "generator_test", FINE: "generator_fine_test"}  # the weights to render
# The layers of a network, by which a state dict is known that stands alone.
LAYERS = frozenset(
    {
        "pts_linears",
        "feature_linear",
        "alpha_linear",
        "views_linears",
        "rgb_linear",
        "output_linear",
    }
)
PARALLEL = "module."  # what DataParallel puts before every name
SPEC_KEY = "graf"  # of a safetensors file's metadata
ZIP_START = b"PK\x03\x04"
STREAM_PICKLES = 5  # magic number, protocol, system, object, storage keys
MAX_PARAMETERS = 1 << 28  # of one network; the released ones have 677,764

log = logging.getLogger("graf")


@dataclass(frozen=True)
class Weights:
    """The generator of one file: the averaged one, where training kept an average.

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

    @property
    def networks(self) -> dict[str, Tensors]:
        """By network, as the family takes them."""
        return {COARSE: self.coarse} | ({FINE: self.fine} if self.fine is not None else {})


def read_weights(path: Path) -> Weights:
    """Read the averaged generator out of a checkpoint, without trusting it.

    A state dict alone is taken for what is wanted. A file that has the weights of training and
    no average of them is taken with a warning.

    Raises
    ------
    CheckpointError
        When the file is not there, is no checkpoint, asks for anything outside the allow-list,
        announces more data than it has, or holds no generator.
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
        raise CheckpointError(
            f"{path} cannot be read: {reason}; name a checkpoint file."
        ) from error


def write_weights(path: Path, spec: ModelSpec, weights: Weights, dtype: torch.dtype) -> None:
    """Write a safetensors file that holds a generator and its specification.

    The bytes depend on the arguments alone. The file is written in place: give the name of a
    temporary file and rename it.

    Raises
    ------
    CheckpointError
        When a weight is too large for `dtype`.
    """
    tensors = {f"{COARSE}.{name}": tensor for name, tensor in weights.coarse.items()}
    tensors |= {f"{FINE}.{name}": tensor for name, tensor in (weights.fine or {}).items()}
    stored = {
        # A copy, since safetensors refuses tensors that share their memory.
        name: tensor.to(dtype=dtype, copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    for name, tensor in stored.items():
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"Tensor `{name}` holds numbers that {dtype} cannot; store it as float32."
            )
    spec_json = msgspec.json.encode(to_plain(msgspec.structs.replace(spec, weights=None))).decode()
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
    if not spec.settings.network.importance:
        raise CheckpointError(
            f"{path} holds a generator for a second pass, but its configuration has none; "
            "set N_importance there as it was in training."
        )
    _check_network(path, FINE, weights.fine, _expected(spec, fine=True))


def _expected(spec: ModelSpec, *, fine: bool) -> dict[str, torch.Size]:
    field = RadianceField(
        spec.settings.network, spec.settings.latent, fine=fine, device="meta", dtype=torch.float32
    )
    return {name: tensor.shape for name, tensor in field.state_dict().items()}


def _check_network(
    path: Path, network: str, tensors: Tensors, expected: Mapping[str, torch.Size]
) -> None:
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


# safetensors


def _read_safetensors(path: Path) -> Weights:
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged: {str(error).rstrip('.')}; download or convert it again."
        ) from error
    if _is_network(tensors):
        return Weights(_state_dict(path, COARSE, tensors), None, _spec_of(path, metadata))
    groups: dict[str, dict[str, Tensor]] = {COARSE: {}, FINE: {}}
    for name, tensor in tensors.items():
        network, _, key = name.partition(".")
        if network not in groups:
            raise CheckpointError(
                f"{path} has a tensor `{name}` that no generator has; make it with `graf convert`."
            )
        groups[network][key] = tensor
    coarse, fine = (_state_dict(path, network, group) for network, group in groups.items())
    return Weights(coarse, fine or None, _spec_of(path, metadata))


def _spec_of(path: Path, metadata: Mapping[str, str]) -> ModelSpec | None:
    if SPEC_KEY not in metadata:
        return None
    try:
        spec = from_plain(msgspec.json.decode(metadata[SPEC_KEY], type=dict[str, Any]))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise CheckpointError(
            f"{path} describes its model wrongly: {explain(error)}; convert the checkpoint again."
        ) from error
    return msgspec.structs.replace(spec, weights=None)


def _state_dict(path: Path, network: str, value: object) -> Tensors:
    """A state dict as float32, its size known to be bearable before anything is converted."""
    if not isinstance(value, Mapping):
        raise CheckpointError(
            f"{path}: `{network}` is not a state dict; this is not a checkpoint of GRAF."
        )
    for name, tensor in value.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            raise CheckpointError(
                f"{path}: `{network}.{name}` is not a tensor of floating-point numbers; "
                "this is not a checkpoint of GRAF."
            )
    if sum(tensor.numel() for tensor in value.values()) > MAX_PARAMETERS:
        raise CheckpointError(
            f"{path}: `{network}` has more than {MAX_PARAMETERS:,} parameters; "
            "this is not a checkpoint of GRAF."
        )
    return {
        name: tensor.detach().to(device="cpu", dtype=torch.float32)
        for name, tensor in _alone(value).items()
    }


def _is_network(content: Mapping[Any, object]) -> bool:
    """Whether these are one network's tensors, rather than networks by name."""
    return any(name.partition(".")[0] in LAYERS for name in _alone(content))


def _alone(state: Mapping[Any, T]) -> dict[str, T]:
    """A state dict under the names that it has without DataParallel."""
    names = [str(name) for name in state]
    while names and all(name.startswith(PARALLEL) for name in names):
        names = [name.removeprefix(PARALLEL) for name in names]
    return dict(zip(names, state.values(), strict=True))


# pickles


def _read_pickled(path: Path, stream: BinaryIO) -> Weights:
    try:
        _inspect(path, stream)
        stream.seek(0)
        with _numpy_scalars_allowed():
            content = torch.load(stream, map_location="cpu", weights_only=True)
    except (CheckpointError, OSError):
        raise
    except UnsafePickleError as error:
        raise CheckpointError(
            f"{path} is not safe to read: it {error}; "
            "give a file that GRAF's training script saved."
        ) from error
    except Exception as error:  # a damaged file may raise anything at all
        raise CheckpointError(
            f"{path} is no checkpoint or a damaged one; give a file that GRAF's training script "
            "saved, or download it again."
        ) from error
    return _averaged(path, content)


def _averaged(path: Path, content: object) -> Weights:
    if not isinstance(content, dict):
        raise _no_generator(path)
    if _is_network(content):
        return Weights(_state_dict(path, COARSE, content))
    keys = {
        network: averaged if content.get(averaged) is not None else network
        for network, averaged in AVERAGED.items()
        if content.get(averaged) is not None or content.get(network) is not None
    }
    if COARSE not in keys:
        raise _no_generator(path)
    groups = {network: _state_dict(path, key, content[key]) for network, key in keys.items()}
    trained = [network for network, key in keys.items() if network == key]
    if trained:
        log.warning(
            "%s has no `%s`, the averaged weights, which pictures are best made of; taking "
            "`%s`, those of training's last step.",
            path,
            "`, `".join(AVERAGED[network] for network in trained),
            "`, `".join(trained),
        )
    return Weights(groups[COARSE], groups.get(FINE))


def _no_generator(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} holds no generator, neither `{AVERAGED[COARSE]}` nor `{COARSE}` nor the layers of "
        "one; give a file that GRAF's training script saved."
    )


@contextmanager
def _numpy_scalars_allowed() -> Iterator[None]:
    """Let the scores `fid_best` and `kid_best` through, which NumPy 1 pickled as scalars."""
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    allowed: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
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
    # By its first bytes, as PyTorch decides: an archive behind a stream is not to be inspected
    # in the stream's place.
    if stream.read(len(ZIP_START)) == ZIP_START:
        _inspect_archive(path, stream, size)
        return
    stream.seek(0)
    announced: dict[str, int] = {}
    for _ in range(STREAM_PICKLES):
        inspect_pickle(stream, announced)
    if sum(announced.values()) > size:
        raise _announces_too_much(path)


def _inspect_archive(path: Path, stream: BinaryIO, size: int) -> None:
    with zipfile.ZipFile(stream) as archive:
        records = {info.filename: info for info in archive.infolist()}
        _check_records(path, archive.infolist(), size)
        pickles = [name for name in records if name.endswith("/data.pkl")]
        if len(pickles) != 1 or records[pickles[0]].file_size > MAX_PICKLE:
            raise CheckpointError(
                f"{path} is an archive but not one of `torch.save`; "
                "give a file that GRAF's training script saved."
            )
        announced: dict[str, int] = {}
        inspect_pickle(io.BytesIO(archive.read(pickles[0])), announced)
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
