"""What the configurations of all families have in common: a small file of keys, read as data."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

import yaml

from graf_cli.errors import ManifestError

MAX_BYTES = 1 << 16  # of one file; the releases' own take three thousand at most


def contents(path: Path, hint: str, *, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a configuration.

    Parameters
    ----------
    path : Path
    hint : str
        What to do about a file that is larger than `limit`.
    limit : int, optional
        Bytes.

    Raises
    ------
    ManifestError
        When the file cannot be read, or is larger.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        reason = error.strerror or error
        raise ManifestError(f"{path} cannot be read: {reason}; name a configuration.") from error
    if len(data) > limit:
        raise ManifestError(f"{path} is larger than a configuration can be; {hint}.")
    return data


class _Loader(yaml.SafeLoader):
    """Knows plain data alone, and no merge keys: a few lines of those fill any memory."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None: ...


def yaml_document(path: Path, hint: str) -> object:
    """What a file of YAML, or of JSON, which is YAML, holds.

    Parameters
    ----------
    path : Path
    hint : str
        As for `contents`.

    Raises
    ------
    ManifestError
        As `contents`, and when the file is neither.
    """
    data = contents(path, hint)
    try:
        return yaml.load(data, _Loader)  # noqa: S506 - a safe one
    except Exception as error:  # PyYAML's constructors raise nearly anything
        problem = " ".join(str(error).split())
        raise ManifestError(f"{path} is neither YAML nor JSON: {problem}; fix it there.") from error


def with_nearest(key: str, known: Iterable[str]) -> str:
    """A key that is not known, and the one that was probably meant."""
    said = key if key.isprintable() else ascii(key)
    near = difflib.get_close_matches(key, sorted(known), n=1)
    return f"`{said}`" + "".join(f" (nearest is `{name}`)" for name in near)
