"""The authors' files, read as data: a released archive, a pair of files, or two state dicts.

They hold whole pickled objects. `graf_cli.weights` makes inert records of them, of the few classes
named here, and nothing in them runs.

A generator's file has the weights as training left them; the ones to draw are their average, in a
second file, as a list without names. The order of `names` is that of the authors' own walk through
their module, by which that list is to be read.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import torch
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.families.pigan.spec import SINES
from graf_cli.weights.modules import children, tensors
from graf_cli.weights.objects import Names
from graf_cli.weights.records import Record, StoredTensor, UnsafeFileError
from graf_cli.weights.stores import read_objects

EMBEDDING = "siren.spatial_embeddings"
SIRENS = ("TALLSIREN", "SPATIALSIRENBASELINE", "EmbeddingPiGAN128", "EmbeddingPiGAN256")
ROOT, AVERAGE = "ImplicitGenerator3d", "ExponentialMovingAverage"
NAMES = Names(
    classes=frozenset(
        {
            f"generators.generators.{ROOT}",
            f"torch_ema.ema.{AVERAGE}",
            *(f"siren.siren.{siren}" for siren in SIRENS),
            "siren.siren.FiLMLayer",
            "siren.siren.CustomMappingNetwork",
            "siren.siren.UniformBoxWarp",
            "torch.nn.modules.container.ModuleList",
            "torch.nn.modules.container.Sequential",
            "torch.nn.modules.linear.Linear",
            "torch.nn.modules.activation.LeakyReLU",
            "torch.nn.modules.activation.Sigmoid",
        }
    )
)
SLOPE = 0.2  # of the mapping network's rectifiers; a file of another is another network
MAX_FILE = 1 << 28  # bytes of one file of an archive; the largest released has 15 million
MAX_FILES = 64  # of an archive; a released one has three
ZIP_START = b"PK\x03\x04"
START = 1 << 16  # bytes; a pickle is first in its archive, and has 8.7 kB
MARKS = (ROOT.encode(), AVERAGE.encode(), b"siren.network.0.layer", b"shadow_params")

_LAYERS = {
    **{f"siren.network.{k}.layer": f"sines.{k}" for k in range(SINES)},
    "siren.final_layer": "density",
    "siren.color_layer_sine.layer": "colour_sine",
    "siren.color_layer_linear.0": "colour",
    **{f"siren.mapping_network.network.{2 * k}": f"mapping.{k}" for k in range(4)},
}
_AVERAGE_KEYS = frozenset({"decay", "num_updates", "shadow_params", "collected_params"})
_NOT_OURS = "give a generator that π-GAN's training script saved."


def names(*, embedded: bool) -> dict[str, str]:
    """Their names and ours, in the order of their parameters."""
    layers = {
        f"{theirs}.{kind}": f"{ours}.{kind}"
        for theirs, ours in _LAYERS.items()
        for kind in ("weight", "bias")
    }
    return {EMBEDDING: "embedding", **layers} if embedded else layers


@dataclass(frozen=True, eq=False)
class _Generator:
    siren: str | None
    scale: float | None
    parameters: Mapping[str, StoredTensor]


def read(path: Path, *, unaveraged: bool = False) -> dict[str, Any]:
    """Read a generator and its averaged weights.

    Parameters
    ----------
    path : Path
        An archive as it is released; or the file of the generator or of its average, with the
        other one beside it: ``X_generator.pth`` and ``X_ema.pth``.
    unaveraged : bool
        Take the generator's own weights, which give other pictures, and no second file.

    Returns
    -------
    dict
        ``siren`` and ``scale``, None where the file is a state dict; ``parameters`` by the
        authors' names; ``averaged``, a list in their order, None with `unaveraged`; ``folder``,
        that of an archive, else empty.

    Raises
    ------
    CheckpointError
        When a file is missing, is not a generator of this family or no average of it, or does what
        no checkpoint needs to.
    """
    files = _Files(path)
    with files.opened(files.first) as stream:
        found = _objects(files.first, stream)
        if _is_average(found):
            if unaveraged:
                raise CheckpointError(f"{path} holds averaged weights; give the generator's file.")
            with files.opened(files.generator) as other:
                return _together(
                    files, _generator(files.generator, _objects(files.generator, other)), found
                )
        generator = _generator(files.first, found)
        if unaveraged:
            return _plain(files, files.first, generator, None)
        with files.opened(files.average) as other:
            return _together(files, generator, _objects(files.average, other))


def looks_so(path: Path) -> bool:
    """Whether a file looks like one of this family's, readable or not."""
    try:
        with path.open("rb") as stream:
            start = stream.read(START)
        return any(mark in start for mark in MARKS) or bool(_members(path))
    except (OSError, CheckpointError):
        return False


class _Files:
    """Where a generator and its average are: beside each other, on disk or in an archive.

    Parameters
    ----------
    path : Path
        As it was given.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members = _members(path)
        if self.members:
            self.first = Path(_only_generator(path, self.members))
        else:
            self.first = path
        self.average = _beside(self.first, "generator", "ema")
        self.generator = _beside(self.first, "ema", "generator")

    @contextmanager
    def opened(self, path: Path) -> Iterator[BinaryIO]:
        """One of the files, seekable."""
        if not self.members:
            if not path.exists() and path != self.path:
                raise _missing(self.path, path.name)
            try:
                with path.open("rb") as stream:
                    yield stream
            except OSError as error:
                raise _unreadable(path, error) from error
            return
        name = str(PurePosixPath(path))
        if name not in self.members:
            raise _missing(self.path, name)
        yield io.BytesIO(_unpacked(self.path, self.members[name]))


def _beside(path: Path, part: str, other: str) -> Path:
    """The other file of a pair: what comes before `part` in the name stays."""
    before, found, _ = path.name.partition(part)
    return path.with_name(
        f"{before}{other}{path.suffix}" if found else f"{path.stem}_{other}{path.suffix}"
    )


def _missing(path: Path, name: str) -> CheckpointError:
    return CheckpointError(
        f"{path} lacks {name}, which belongs to it: the generator's file has the weights as "
        "training left them, and its average those to draw; put both beside each other."
    )


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be read: {error.strerror or error}; name a checkpoint file."
    )


# archives


def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The files of a released archive by name; none for a file that `torch.save` wrote."""
    try:
        with path.open("rb") as stream:
            if stream.read(len(ZIP_START)) != ZIP_START:
                return {}
            with zipfile.ZipFile(stream) as archive:
                listed = archive.infolist()
    except OSError as error:
        raise _unreadable(path, error) from error
    except Exception as error:  # a damaged archive may raise nearly anything
        raise CheckpointError(f"{path} is a damaged archive; download it again.") from error
    if any(record.filename.endswith("/data.pkl") for record in listed):
        return {}
    folded = {record.filename.casefold() for record in listed}
    if len(listed) > MAX_FILES or len(folded) < len(listed):
        raise CheckpointError(f"{path} is an archive but not one of a released π-GAN; {_NOT_OURS}")
    return {record.filename: record for record in listed if not record.is_dir()}


def _only_generator(path: Path, members: Mapping[str, zipfile.ZipInfo]) -> str:
    found = [name for name in members if PurePosixPath(name).name.endswith("generator.pth")]
    if len(found) != 1:
        raise CheckpointError(
            f"{path} is an archive with {len(found) or 'no'} files generator.pth; "
            "give one of a released π-GAN."
        )
    return found[0]


def _unpacked(path: Path, member: zipfile.ZipInfo) -> bytes:
    if member.file_size > MAX_FILE:
        raise CheckpointError(
            f"{path}: {member.filename} would unpack to {member.file_size:,} bytes, which no "
            "π-GAN has; download the archive again."
        )
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            return archive.read(member)
    except OSError as error:
        raise _unreadable(path, error) from error
    except Exception as error:  # a damaged archive may raise nearly anything
        raise CheckpointError(f"{path} is a damaged archive; download it again.") from error


# what is in a file


def _objects(path: Path, stream: BinaryIO) -> object:
    return read_objects(path, stream, NAMES)


def _generator(path: Path, found: object) -> _Generator:
    """A whole module, or a state dict.

    Raises
    ------
    CheckpointError
        When it is neither, or a network of another kind.
    """
    try:
        if isinstance(found, Record):
            return _module(found)
        if isinstance(found, dict):
            return _Generator(None, None, _named(found))
    except UnsafeFileError as error:
        raise CheckpointError(f"{path} cannot be read: it {error}; {_NOT_OURS}") from error
    raise CheckpointError(f"{path} holds no generator; {_NOT_OURS}")


def _module(root: Record) -> _Generator:
    siren = children(root).get("siren") if root.name == ROOT else None
    if siren is None or siren.name not in SIRENS:
        raise UnsafeFileError("holds no generator of this kind")
    parameters = tensors(root)
    known = names(embedded=EMBEDDING in parameters)
    if list(parameters) != list(known):
        odd = next((name for name in parameters if name not in known), "")
        raise UnsafeFileError(
            f"has a tensor `{odd}` too many" if odd else "has its tensors in another order"
        )
    for name, layer in children(_child(siren, "mapping_network", "network")).items():
        if layer.name == "LeakyReLU" and layer.state.get("negative_slope") != SLOPE:
            raise UnsafeFileError(f"has a rectifier of another slope at `{name}`")
    return _Generator(siren.name, _scale(siren), parameters)


def _child(module: Record, *way: str) -> Record:
    for name in way:
        below = children(module)
        if name not in below:
            raise UnsafeFileError(f"has no module `{name}`")
        module = below[name]
    return module


def _scale(siren: Record) -> float:
    """What points are multiplied by; the factor is an attribute, not a tensor."""
    warp = children(siren).get("gridwarper")
    if warp is None:
        return 1.0
    factor = warp.state.get("scale_factor")
    if not isinstance(factor, int | float) or isinstance(factor, bool):
        raise UnsafeFileError("has no `scale_factor`")
    return float(factor)


def _named(found: Mapping[object, object]) -> dict[str, StoredTensor]:
    """The tensors of a state dict."""
    known = names(embedded=EMBEDDING in found)
    for name, tensor in found.items():
        if name not in known:
            raise UnsafeFileError(f"has an entry `{name}` that no generator has")
        if not isinstance(tensor, StoredTensor):
            raise UnsafeFileError(f"has something else than a tensor at `{name}`")
    return {name: tensor for name in known if isinstance(tensor := found.get(name), StoredTensor)}


def _is_average(found: object) -> bool:
    if isinstance(found, Record):
        return found.name == AVERAGE
    return isinstance(found, dict) and "shadow_params" in found


def _together(files: _Files, generator: _Generator, average: object) -> dict[str, Any]:
    path = files.average
    if not _is_average(average):
        raise CheckpointError(
            f"{path} holds no averaged weights; give the file `ema.pth` of the same training."
        )
    state = average.state if isinstance(average, Record) else average
    assert isinstance(state, dict)
    unknown = [str(key) for key in state if key not in _AVERAGE_KEYS]
    shadow = state.get("shadow_params")
    if unknown or not isinstance(shadow, list):
        raise CheckpointError(
            f"{path} has an average laid out in another way, with "
            f"{', '.join(unknown) or 'no list of weights'}; give the file `ema.pth` of π-GAN."
        )
    if len(shadow) != len(generator.parameters):
        raise CheckpointError(
            f"{path} has {len(shadow)} averaged tensors for {len(generator.parameters)} "
            "parameters; check that both files are of one model."
        )
    return _plain(files, path, generator, shadow)


def _plain(
    files: _Files, path: Path, generator: _Generator, shadow: list[object] | None
) -> dict[str, Any]:
    return {
        "folder": files.first.parent.name if files.members else "",
        "siren": generator.siren,
        "scale": generator.scale,
        "parameters": {
            name: _tensor(path, name, tensor) for name, tensor in generator.parameters.items()
        },
        "averaged": None
        if shadow is None
        else [_tensor(path, f"shadow_params.{k}", tensor) for k, tensor in enumerate(shadow)],
    }


def _tensor(path: Path, name: str, stored: object) -> Tensor:
    if not isinstance(stored, StoredTensor):
        raise CheckpointError(f"{path} has something else than a tensor at `{name}`; {_NOT_OURS}")
    try:
        return torch.from_numpy(stored.read())
    except UnsafeFileError as error:
        raise CheckpointError(f"{path} cannot be read: it {error}; {_NOT_OURS}") from error
