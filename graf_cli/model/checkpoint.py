"""A file becomes a specification and checked weights, whatever family it is of.

The file itself says which: graf's own in their metadata, those of training scripts by the names
that they are saved under, which each family recognises.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch

from graf_cli.decoding import decode
from graf_cli.errors import CheckpointError, ManifestError, UsageError
from graf_cli.families.contract import Family, Tensors
from graf_cli.model.families import FAMILIES, family_of
from graf_cli.model.spec import from_plain, to_plain
from graf_cli.scene.spec import ModelSpec, explain
from graf_cli.weights.reading import Stored, is_safetensors, read
from graf_cli.weights.writing import write

SPEC_KEY = "graf"  # of a safetensors file's metadata


def open_checkpoint(
    path: Path,
    config: Path | None = None,
    family: str | None = None,
    like: ModelSpec | None = None,
) -> tuple[ModelSpec, dict[str, Tensors]]:
    """A user's own checkpoint and the configuration beside it; graf's own files need none.

    Parameters
    ----------
    path : Path
    config : Path, optional
        What its training was configured by; it wins over what the file says of itself.
    family : str, optional
        Of the table of families; None asks the file.
    like : ModelSpec, optional
        A model that is made alike, for a file of numbers alone.

    Returns
    -------
    spec : ModelSpec
    networks : dict of state dicts
        By network, float32 on the CPU, every tensor checked.

    Raises
    ------
    CheckpointError, ManifestError
        When the file is of no family, its configuration is missing, or they do not fit.
    """
    if like is not None:
        return _alike(path, config, family, like)
    of, stored = _recognised(path, family)
    own = described(path, stored)
    if config is None and own is not None:
        spec = own
    else:
        spec = family_of(of).described(path, stored.content, config)
    return spec, family_of(of).adopt(path, spec.settings, stored.content)


def _alike(
    path: Path, config: Path | None, family: str | None, like: ModelSpec
) -> tuple[ModelSpec, dict[str, Tensors]]:
    """The numbers of a file, in a model that is made as another one."""
    if config is not None or family not in (None, like.family):
        raise UsageError("⟨like⟩ says what the model is; leave out ⟨config⟩ and ⟨family⟩.")
    of = family_of(like.family)
    stored = of.read(path)
    if described(path, stored) is None and _says_nothing(of, path, stored):
        spec = msgspec.structs.replace(like, name=path.stem, weights=None)
        return spec, of.adopt(path, spec.settings, stored.content)
    raise UsageError(f"{path} says itself how it renders; leave out ⟨like⟩, it would not be asked.")


def _says_nothing(family: Family[Any], path: Path, stored: Stored) -> bool:
    """Whether a file has not even a description that is wrong."""
    try:
        family.described(path, stored.content, None)
    except ManifestError:
        return True
    except CheckpointError as error:
        if not error.undescribed:
            raise
        return True
    return False


def read_checkpoint(path: Path, spec: ModelSpec) -> dict[str, Tensors]:
    """Checked weights of a model whose specification is known, by network.

    Raises
    ------
    CheckpointError
        When the file does not hold the networks that the specification describes.
    """
    family = family_of(spec.family)
    stored = family.read(path)
    described(path, stored)
    return family.adopt(path, spec.settings, stored.content)


def write_checkpoint(
    path: Path, spec: ModelSpec, networks: Mapping[str, Tensors], dtype: torch.dtype
) -> None:
    """Write a safetensors file that holds networks and the specification of their model.

    The bytes depend on the arguments alone. The file is written in place: give the name of a
    temporary file and rename it.

    Raises
    ------
    CheckpointError
        When a weight is too large for `dtype`.
    """
    tensors = {
        f"{network}.{name}": tensor
        for network, state in networks.items()
        for name, tensor in state.items()
    }
    spec_json = msgspec.json.encode(to_plain(msgspec.structs.replace(spec, weights=None))).decode()
    write(path, tensors, {SPEC_KEY: spec_json}, dtype)


def described(path: Path, stored: Stored) -> ModelSpec | None:
    """What the file itself says of its model; only graf's own files do.

    Raises
    ------
    CheckpointError
        When it is said wrongly.
    """
    if SPEC_KEY not in stored.metadata:
        return None
    try:
        plain = decode(stored.metadata[SPEC_KEY], dict[str, Any])
        spec = from_plain(plain)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise CheckpointError(
            f"{path} describes its model wrongly: {explain(error)}; convert the checkpoint again."
        ) from error
    return msgspec.structs.replace(spec, weights=None)


def _recognised(path: Path, name: str | None) -> tuple[str, Stored]:
    """The family of a file, and what the file holds."""
    if name is not None:
        return name, family_of(name).read(path)
    own = _own(path)
    if own is not None:
        return own
    refused: CheckpointError | None = None
    for candidate in FAMILIES:
        family: Family[Any] = family_of(candidate)
        try:
            stored = family.read(path)
        except CheckpointError as error:
            # Else the words of the first family, which is the one most have.
            refused = error if error.recognised else refused or error
            continue
        if family.recognises(stored.content):
            return candidate, stored
    raise refused or CheckpointError(
        f"{path} holds no generator of a family that graf knows ({', '.join(FAMILIES)}); "
        "give a file that a training script saved."
    )


def _own(path: Path) -> tuple[str, Stored] | None:
    """The same of a file that graf wrote; None is another file."""
    try:
        with path.open("rb") as stream:
            if not is_safetensors(stream):
                return None
    except OSError:
        return None  # the reader says it better
    stored = read(path)
    spec = described(path, stored)
    return None if spec is None else (spec.family, stored)
