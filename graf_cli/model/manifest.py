"""`weights.toml` becomes model specifications, validated."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Meta, Struct

from graf_cli.errors import ManifestError, UsageError
from graf_cli.model.download import Source, check_address
from graf_cli.model.spec import (
    MAX_SIZE,
    About,
    CameraSpec,
    LatentSpec,
    ModelSpec,
    NetworkSpec,
)

MANIFEST_VARIABLE = "GRAF_MANIFEST"
MAX_BYTES = 1 << 20
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]


class _Weights(Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    sha256: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")] | None = None


class Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[models.NAME]` table, its addresses made absolute."""

    title: str
    camera: CameraSpec
    files: dict[Annotated[int, Meta(ge=1, le=MAX_SIZE)], _Weights]
    default_size: int
    aliases: tuple[Name, ...] = ()
    source: str = ""
    licence: str = ""
    citation: str = ""
    note: str = ""
    background: Literal["white", "black"] = "white"
    network: NetworkSpec = NetworkSpec()
    latent: LatentSpec = LatentSpec()

    def __post_init__(self) -> None:
        if self.default_size not in self.files:
            raise ValueError(f"`default_size` is {self.default_size}, which `files` does not list")

    @property
    def sizes(self) -> list[int]:
        """Resolutions there are, in pixels, smallest first."""
        return sorted(self.files)

    def spec(self, name: str, size: int) -> ModelSpec:
        """The specification of one resolution."""
        weights = self.files[size]
        filename = f"{name}/{Path(urlsplit(weights.url).path).name or f'{size}.pt'}"
        digest = weights.sha256.lower() if weights.sha256 else None
        return ModelSpec(
            name=f"{name}:{size}",
            size=size,
            camera=self.camera,
            background=self.background,
            network=self.network,
            latent=self.latent,
            about=About(
                title=self.title,
                source=self.source,
                licence=self.licence,
                citation=self.citation,
                note=self.note,
            ),
            weights=Source(url=weights.url, filename=filename, sha256=digest),
        )


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal[1]
    models: dict[Name, Entry] = {}


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
        if not size.isdecimal() or int(size) not in entry.files:
            sizes = ", ".join(map(str, entry.sizes))
            raise UsageError(f"The model `{model}` has no size `{size}`; it has {sizes}.")
        return entry.spec(model, int(size))


def read_manifest(path: Path) -> Manifest:
    """Read one manifest; relative addresses are taken from its folder.

    Raises
    ------
    ManifestError
        Naming file, key and problem.
    """
    text = _read_text(path)
    try:
        document = msgspec.convert(_prepared(tomllib.loads(text)), _Document, str_keys=True)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"{path} is not TOML: {error}; mend it there.") from error
    except (msgspec.ValidationError, RecursionError) as error:
        raise ManifestError(f"{path}: {_plain(error)}; mend it there.") from error
    models = {name: _located(path, name, entry) for name, entry in document.models.items()}
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
    builtin = read_manifest(builtin_manifest())
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
    package = Path(__file__).parents[1]
    installed = package / "weights.toml"
    return installed if installed.exists() else package.parent / "weights.toml"


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


def _prepared(document: dict[str, Any]) -> dict[str, Any]:
    """Let `radius = 10` stand for `radius = [10, 10]`."""
    models = document.get("models")
    for entry in models.values() if isinstance(models, dict) else ():
        camera = entry.get("camera") if isinstance(entry, dict) else None
        if isinstance(camera, dict) and isinstance(camera.get("radius"), int | float):
            camera["radius"] = [camera["radius"]] * 2
    return document


def _plain(error: Exception) -> str:
    """`Expected … - at `$.models[...].camera.fov`` names a key; keep that, drop the decoration."""
    return str(error).replace(" - at `$.", " at `").replace(" - at `$`", "").rstrip(".")


def _located(path: Path, name: str, entry: Entry) -> Entry:
    files = {}
    for size, weights in entry.files.items():
        url = _absolute(path, weights.url)
        try:
            check_address(url)
        except ValueError as error:
            raise ManifestError(
                f"{path}: models.{name}.files.{size}.url: {error}; mend it there."
            ) from error
        files[size] = msgspec.structs.replace(weights, url=url)
    return msgspec.structs.replace(entry, files=files)


def _absolute(path: Path, url: str) -> str:
    if urlsplit(url).scheme:
        return url
    return str((path.resolve().parent / unquote(url)).resolve())


def _check_aliases(path: Path, models: Mapping[str, Entry]) -> None:
    taken: dict[str, str] = {}
    for name, entry in models.items():
        for alias in (name, *entry.aliases):
            owner = taken.setdefault(alias.casefold(), name)
            if owner != name:
                raise ManifestError(
                    f"{path}: both `{owner}` and `{name}` answer to `{alias}`; rename one."
                )
