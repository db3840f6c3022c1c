"""A model by its name, by its file, or as a recipe names it, becomes a Generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from graf_cli.errors import RecipeError, UsageError
from graf_cli.model.device import pick_device
from graf_cli.model.generator import Generator, digest, load_checkpoint, load_spec
from graf_cli.model.manifest import load_manifest
from graf_cli.recipe import ModelRef, Recipe, check_model, model_ref
from graf_cli.scene.spec import ModelSpec
from graf_cli.syntax import DEFAULT_MODEL
from graf_cli.weights import download


def load(
    model: str = DEFAULT_MODEL,
    *,
    checkpoint: str | Path | None = None,
    config: str | Path | None = None,
    family: str | None = None,
    like: str | None = None,
    device: str = "auto",
    manifest: str | Path | None = None,
    offline: bool | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Generator:
    """Make a model real: fetch its weights if need be, verify them, put them on a device.

    Parameters
    ----------
    model : str
        ``NAME`` or ``NAME:SIZE`` of the manifest.
    checkpoint : path, optional
        A file of your own training instead, with its `config` (the `config.yaml` or `config.txt`
        beside it), or one that ``graf convert`` made, which needs none.
    config : path, optional
    family : str, optional
        Kind of generator of the checkpoint, such as ``nerf``; by default what the file says.
    like : str, optional
        Model of the manifest that the checkpoint's is made as, where the file has numbers alone.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    manifest : path, optional
        Further models; by default what GRAF_MANIFEST names.
    offline : bool, optional
        Open no socket; by default what GRAF_OFFLINE says.
    progress : callable, optional
        Called with the bytes fetched so far and their total, if known.
    notify : callable, optional
        Called with a sentence when there is something to know, such as a pinned digest.

    Returns
    -------
    Generator

    Raises
    ------
    UsageError
        When there is no such model.
    ManifestError, DownloadError, CheckpointError, DeviceError
        When its manifest, address, file or device cannot be used.
    """
    place = pick_device(device)
    if checkpoint is not None:
        alike = None
        if like is not None:
            alike = load_manifest(Path(manifest) if manifest else None).resolve(like)
        own = Path(config) if config else None
        return load_checkpoint(Path(checkpoint), own, place, family, alike)
    if config is not None:
        raise UsageError("A configuration goes with a checkpoint; give ⟨checkpoint⟩ as well.")
    if like is not None:
        raise UsageError("⟨like⟩ tells of a checkpoint; give ⟨checkpoint⟩ as well.")
    spec = load_manifest(Path(manifest) if manifest else None).resolve(model)
    assert spec.weights is not None
    path = download.fetch(spec.weights, offline=offline, progress=progress, notify=notify)
    return load_spec(spec, path, place)


def load_for(
    recipe: Recipe,
    *,
    checkpoint: str | Path | None = None,
    config: str | Path | None = None,
    family: str | None = None,
    like: str | None = None,
    device: str = "auto",
    manifest: str | Path | None = None,
) -> Generator:
    """The very model that a recipe names, found by its name and held against its digest.

    A recipe may come from a stranger: it opens no address and no path, so the model is one of
    the manifest's that is on this machine already, or the `checkpoint` given here.

    Raises
    ------
    RecipeError
        When the model is not here, or is another one.
    ManifestError, DownloadError, CheckpointError, DeviceError
        As `load`.
    """
    name = recipe.model.name
    if checkpoint is None:
        _require_cached(name, manifest)
    generator = load(
        name,
        checkpoint=checkpoint,
        config=config,
        family=family,
        like=like,
        device=device,
        manifest=manifest,
        offline=True,
    )
    check_model(recipe, reference(generator))
    return generator


def _require_cached(name: str, manifest: str | Path | None) -> None:
    try:
        spec = load_manifest(Path(manifest) if manifest else None).resolve(name)
    except UsageError as error:
        raise RecipeError(
            f"The recipe's model `{name}` is not one of `graf models`; "
            "name its file with ⟨checkpoint⟩ (and ⟨config⟩)."
        ) from error
    assert spec.weights is not None
    if download.cached(spec.weights) is None:
        raise RecipeError(
            f"The recipe's model `{name}` is not on this machine; run `graf download {name}` "
            "first, or name its file with ⟨checkpoint⟩."
        )


@dataclass(frozen=True)
class Opened:
    """A model as far as a job needs it: what it would take is known without the generator.

    Attributes
    ----------
    spec : ModelSpec
    ref : ModelRef
    generator : Generator or None
        None while the model is not made real.
    here : bool
        Whether its weights are on this machine.
    """

    spec: ModelSpec
    ref: ModelRef
    generator: Generator | None
    here: bool

    @classmethod
    def of(cls, generator: Generator) -> Opened:
        """That of a generator."""
        return cls(generator.spec, reference(generator), generator, here=True)


def outline(
    model: str = DEFAULT_MODEL,
    *,
    checkpoint: str | Path | None = None,
    config: str | Path | None = None,
    family: str | None = None,
    like: str | None = None,
    manifest: str | Path | None = None,
) -> Opened:
    """What `load` would load: nothing is fetched, and no device is asked for.

    Raises
    ------
    UsageError, ManifestError, CheckpointError
        As `load`.
    """
    if checkpoint is not None:
        generator = load(
            checkpoint=checkpoint,
            config=config,
            family=family,
            like=like,
            device="cpu",
            manifest=manifest,
        )
        return replace(Opened.of(generator), generator=None)
    if config is not None:
        raise UsageError("A configuration goes with a checkpoint; give ⟨checkpoint⟩ as well.")
    if like is not None:
        raise UsageError("⟨like⟩ tells of a checkpoint; give ⟨checkpoint⟩ as well.")
    spec = load_manifest(Path(manifest) if manifest else None).resolve(model)
    assert spec.weights is not None
    path = download.cached(spec.weights)
    sha256 = digest(path) if path else spec.weights.sha256
    return Opened(spec, model_ref(spec, sha256), None, here=path is not None)


def reference(generator: Generator) -> ModelRef:
    """How a Recipe names this model."""
    return model_ref(generator.spec, generator.sha256)
