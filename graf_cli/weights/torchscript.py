"""Networks of the user's that carry their own code, as TorchScript."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from graf_cli.errors import CheckpointError
from graf_cli.weights.cache import PICKLE
from graf_cli.weights.reading import is_safetensors


def load(path: Path, device: torch.device, *, instead: str) -> Any:
    """A network in evaluation mode.

    Parameters
    ----------
    path : Path
    device : torch.device
    instead : str
        What to give when the file is not such a network.

    Raises
    ------
    CheckpointError
        When it is not.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as a whole
            return torch.jit.load(path, map_location=device).eval()  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} is not a TorchScript network; {instead}") from error


def stores_tensors(path: Path) -> bool:
    """Whether a file is one of tensors, by `torch.save` or safetensors, rather than a network.

    TorchScript is an archive too, and carries its code; what is neither is left to `load`.
    """
    try:
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                stream.seek(0)
                return is_safetensors(stream) or bool(PICKLE.match(stream.read(2)))
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    coded = any(name.partition("/")[2].startswith("code/") for name in names)
    return not coded and any(name.endswith("/data.pkl") for name in names)


def taken(network: Any, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Of the arguments that are offered, by name, those that a network takes."""
    names = {argument.name for argument in network.forward.schema.arguments}
    return {name: value for name, value in offered.items() if name in names}
