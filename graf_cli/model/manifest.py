"""`weights.toml` becomes model specifications, validated."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from graf_cli.decoding import convert
from graf_cli.errors import ManifestError, UsageError
from graf_cli.model.families import spec_of
from graf_cli.model.spec import DEFAULT_FAMILY
from graf_cli.scene.spec import About, CameraSpec, ModelSpec, Pixels, explain
from graf_cli.weights.address import check_address
from graf_cli.weights.download import Source

MANIFEST_VARIABLE = "GRAF_MANIFEST"
MAX_BYTES = 1 << 20
PACKAGE = Path(__file__).parents[1]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NOT_A_NAME = "is not a name, which takes letters, digits and . _ - after a letter or a digit"
T = TypeVar("T")


class _Weights(Struct, frozen=True, forbid_unknown_fields=True):
    url: str = ""
    sha256: str | None = None
    by_hand: str = ""
    settings: Any = None  # of this size: the family's keys that differ from the model's

    def __post_init__(self) -> None:
        if not self.url and not self.by_hand:
            raise ValueError("Missing key `url`")
        if self.by_hand and (self.url or not self.by_hand.isprintable()):
            raise ValueError("`by_hand` is one line in place of `url`")
        if self.sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", self.sha256):
            raise ValueError("`sha256` takes 64 hexadecimal digits")


class Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[models.NAME]` table, its addresses made absolute."""

    title: str
    camera: CameraSpec
    files: dict[Pixels, _Weights]
    default_size: int
    aliases: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    citation: str = ""
    note: str = ""
    background: Literal["white", "black"] = "white"
    family: str = DEFAULT_FAMILY
    settings: Any = None  # the family's own keys

    def __post_init__(self) -> None:
        if self.default_size not in self.files:
            raise ValueError(f"`default_size` is {self.default_size}, which `files` does not list")
        for alias in self.aliases:
            if not NAME.fullmatch(alias):
                raise ValueError(f"the alias {alias!r} {NOT_A_NAME}")

    @property
    def sizes(self) -> list[int]:
        """Resolutions there are, in pixels, smallest first."""
        return sorted(self.files)

    def spec(self, name: str, size: int) -> ModelSpec:
        """The specification of one resolution."""
        weights = self.files[size]
        return ModelSpec(
            name=f"{name}:{size}",
            size=size,
            camera=self.camera,
            background=self.background,
            family=self.family,
            settings=self.settings if weights.settings is None else weights.settings,
            about=About(
                title=self.title,
                source=self.source,
                licence=self.licence,
                citation=self.citation,
                note=self.note,
            ),
            weights=_source(name, weights),
        )


ENTRY_KEYS = frozenset(Entry.__struct_fields__) - {"settings"}


def _source(name: str, weights: _Weights) -> Source:
    digest = weights.sha256.lower() if weights.sha256 else None
    filename = name if weights.by_hand else _cache_name(name, weights.url)
    return Source(url=weights.url, filename=filename, sha256=digest, by_hand=weights.by_hand)


def _cache_name(name: str, url: str) -> str:
    """A folder of its own for each address, so that no model is taken for its namesake."""
    address = hashlib.sha256(url.encode()).hexdigest()[:8]
    return f"{name}-{address}/{Path(urlsplit(url).path).name or 'model.pt'}"


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal[1]
    models: dict[str, Any] = {}


@dataclass(frozen=True)
class Manifest:
    """The models by name, in the order they are listed."""

    models: Mapping[str, Entry]

    def __iter__(self) -> Iterator[ModelSpec]:
        """Every checkpoint of every model."""
        for name, entry in self.models.items():
            for size in entry.sizes:
                yield entry.spec(name, size)

    @cached_property
    def _names(self) -> dict[str, str]:
        aliases = {a.casefold(): name for name, entry in self.models.items() for a in entry.aliases}
        return aliases | {name.casefold(): name for name in self.models}

    def __contains__(self, name: str) -> bool:
        """Whether a name or an alias means a model."""
        return name.casefold() in self._names

    def find(self, name: str) -> tuple[str, Entry]:
        """The entry that a name or an alias means.

        Raises
        ------
        UsageError
            When there is none; it names the nearest.
        """
        found = self._names.get(name.casefold())
        if found is None:
            near = difflib.get_close_matches(name.casefold(), self._names, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "see `graf models`."
            raise UsageError(f"There is no model `{name}`; {hint}")
        return found, self.models[found]

    def resolve(self, name: str) -> ModelSpec:
        """The specification that ``NAME`` or ``NAME:SIZE`` means.

        Raises
        ------
        UsageError
            When there is no such model, or not in that size.
        """
        model, colon, size = name.partition(":")
        model, entry = self.find(model)
        if not colon:
            return entry.spec(model, entry.default_size)
        if size not in map(str, entry.sizes):
            sizes = ", ".join(map(str, entry.sizes))
            raise UsageError(f"The model `{model}` has no size `{size}`; it has {sizes}.")
        return entry.spec(model, int(size))


def read_manifest(path: Path, folder: Path | None = None) -> Manifest:
    """Read one manifest; relative addresses are taken from its folder, or from `folder`.

    Raises
    ------
    ManifestError
        Naming file, key and problem.
    """
    try:
        tables = tomllib.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path} is not TOML: {error}; fix it there.") from error
    document = _converted(path, "", tables, _Document)
    folder = path.resolve().parent if folder is None else folder
    models = {name: _entry(path, folder, name, table) for name, table in document.models.items()}
    _check_aliases(path, models)
    return Manifest(models)


def load_manifest(path: Path | None = None) -> Manifest:
    """The built-in models, and those of a manifest of the user's.

    Parameters
    ----------
    path : Path, optional
        The user's manifest; by default what GRAF_MANIFEST names.

    Raises
    ------
    ManifestError
        Naming file, key and problem.
    """
    builtin = read_manifest(builtin_manifest(), PACKAGE.parent)
    if path is None and os.environ.get(MANIFEST_VARIABLE):
        path = Path(os.environ[MANIFEST_VARIABLE]).expanduser()
    if path is None:
        return builtin
    own = read_manifest(path)
    models = {**builtin.models, **own.models}
    _check_aliases(path, models)
    return Manifest(models)


def builtin_manifest() -> Path:
    """Where `weights.toml` lies: in an installed package, else at the repository's root."""
    installed = PACKAGE / "weights.toml"
    return installed if installed.exists() else PACKAGE.parent / "weights.toml"


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ManifestError(f"{path} is larger than a manifest can be; name a weights.toml.")
        return data.decode()
    except OSError as error:
        reason = error.strerror or error
        raise ManifestError(f"{path} cannot be read: {reason}; name a manifest file.") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8 text; name a weights.toml.") from error


def _converted(path: Path, inside: str, value: object, kind: type[T]) -> T:
    try:
        return convert(value, kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise ManifestError(f"{path}: {explain(error, inside)}; fix it there.") from error


def _entry(path: Path, folder: Path, name: str, table: object) -> Entry:
    """One model; its files apart, since msgspec does not say at which of a table's keys it was."""
    key = f"models.{name}"
    if not NAME.fullmatch(name):
        raise ManifestError(f"{path}: the model {name!r} {NOT_A_NAME}; fix it there.")
    if isinstance(table, dict):
        files, camera = table.get("files"), table.get("camera")
        if isinstance(files, dict):
            files = {
                size: _weights(path, folder, f"{key}.files.{size}", value)
                for size, value in files.items()
            }
            table = {**table, "files": files}
        if isinstance(camera, dict) and isinstance(camera.get("radius"), int | float):
            table = {**table, "camera": {**camera, "radius": [camera["radius"]] * 2}}
    if not isinstance(table, dict):
        return _converted(path, key, table, Entry)
    common = {k: v for k, v in table.items() if k in ENTRY_KEYS}
    entry = _converted(path, key, common, Entry)
    own = {k: v for k, v in table.items() if k not in ENTRY_KEYS}
    spec = spec_of(entry.family).Spec
    settings = _converted(path, key, own, spec)
    laid_over = {
        size: msgspec.structs.replace(
            weights,
            settings=_converted(path, f"{key}.files.{size}", own | weights.settings, spec),
        )
        for size, weights in entry.files.items()
        if weights.settings is not None
    }
    return msgspec.structs.replace(entry, settings=settings, files=entry.files | laid_over)


def _weights(path: Path, folder: Path, key: str, value: object) -> _Weights:
    """One file, its address made absolute."""
    weights = _converted(path, key, value, _Weights)
    if weights.by_hand:
        return weights
    try:
        url = _absolute(folder, weights.url)
        check_address(url)
    except ValueError as error:
        problem = str(error).rstrip(".")
        raise ManifestError(f"{path}: {problem} at `{key}.url`; fix it there.") from error
    return msgspec.structs.replace(weights, url=url)


def _absolute(folder: Path, url: str) -> str:
    if urlsplit(url).scheme:
        return url
    return str((folder / unquote(url)).resolve())


def _check_aliases(path: Path, models: Mapping[str, Entry]) -> None:
    taken: dict[str, str] = {}
    for name, entry in models.items():
        for alias in (name, *entry.aliases):
            owner = taken.setdefault(alias.casefold(), name)
            if owner != name:
                raise ManifestError(
                    f"{path}: both `{owner}` and `{name}` answer to `{alias}`; rename one."
                )
