"""The library: what `import graf_cli as graf` offers, and all that the command line uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from msgspec.structs import replace

from graf_cli.engine.contract import Engine, Progress, Work
from graf_cli.engine.local import LocalEngine
from graf_cli.errors import RecipeError, UsageError
from graf_cli.model.device import pick_device
from graf_cli.model.generator import Generator, digest, load_checkpoint, load_spec
from graf_cli.model.manifest import load_manifest
from graf_cli.recipe import ModelRef, Recipe, check_model, model_ref
from graf_cli.rendering.renderer import Frame, RenderOptions
from graf_cli.request import SweepOptions, sweep
from graf_cli.scene.spec import ModelSpec
from graf_cli.shots import Shots
from graf_cli.syntax import DEFAULT_MODEL
from graf_cli.weights import download


def load(
    model: str = DEFAULT_MODEL,
    *,
    checkpoint: str | Path | None = None,
    config: str | Path | None = None,
    family: str | None = None,
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
        return load_checkpoint(Path(checkpoint), Path(config) if config else None, place, family)
    if config is not None:
        raise UsageError("A configuration goes with a checkpoint; give ⟨checkpoint⟩ as well.")
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
class Outline:
    """A model as far as it is known without making it real.

    Attributes
    ----------
    spec : ModelSpec
    ref : ModelRef
    here : bool
        Whether its weights are on this machine.
    """

    spec: ModelSpec
    ref: ModelRef
    here: bool


def outline(
    model: str = DEFAULT_MODEL,
    *,
    checkpoint: str | Path | None = None,
    config: str | Path | None = None,
    family: str | None = None,
    manifest: str | Path | None = None,
) -> Outline:
    """What `load` would load: nothing is fetched, and no device is asked for.

    Raises
    ------
    UsageError, ManifestError, CheckpointError
        As `load`.
    """
    if checkpoint is not None:
        generator = load(checkpoint=checkpoint, config=config, family=family, device="cpu")
        return Outline(generator.spec, reference(generator), here=True)
    if config is not None:
        raise UsageError("A configuration goes with a checkpoint; give ⟨checkpoint⟩ as well.")
    spec = load_manifest(Path(manifest) if manifest else None).resolve(model)
    assert spec.weights is not None
    path = download.cached(spec.weights)
    sha256 = digest(path) if path else spec.weights.sha256
    return Outline(spec, model_ref(spec, sha256), here=path is not None)


def reference(generator: Generator) -> ModelRef:
    """How a Recipe names this model."""
    return model_ref(generator.spec, generator.sha256)


def drawn_as(recipe: Recipe, options: RenderOptions) -> Recipe:
    """The recipe with how it is drawn, as far as that is asked for now or was asked for then.

    The one rule, for the library and the command line: `exact` holds when either asks for it, and
    a precision that is named now takes the place of the recipe's.
    """
    precision = recipe.precision if options.precision == "auto" else options.precision
    return replace(recipe, exact=recipe.exact or options.exact, precision=precision)


def options_of(recipe: Recipe, options: RenderOptions) -> RenderOptions:
    """The options with `exact` and `precision` as `drawn_as` has them in the recipe."""
    drawn = drawn_as(recipe, options)
    return dataclasses.replace(options, exact=drawn.exact, precision=drawn.precision)


def draw(
    generator: Generator,
    recipe: Recipe,
    options: RenderOptions | None = None,
    *,
    pictures: Sequence[int] | None = None,
    engine: Engine | None = None,
) -> Progress[Frame]:
    """The frames of a recipe, one at a time as they are asked for.

    A recipe says itself whether it is drawn exactly and in which precision; see `drawn_as`.

    Parameters
    ----------
    generator : Generator
    recipe : Recipe
    options : RenderOptions, optional
        How, not what; `exact` and `precision` are asked for here or by the recipe.
    pictures : sequence of int, optional
        Only these of the recipe's, in this order; each is the same, to the last bit, as among all.
    engine : Engine, optional
        Where they are drawn; this machine by default.

    Returns
    -------
    iterator of Frame
        Its `outcome` tells how far the fast path is from the plain one.

    Raises
    ------
    RecipeError
        When the recipe is not of this model.
    DeviceError
        When the device's memory does not hold even the smallest chunk.
    """
    check_model(recipe, reference(generator))
    shots = Shots(recipe, generator.spec)
    work = Work(
        generator,
        shots,
        range(len(shots)) if pictures is None else pictures,
        options_of(recipe, options or RenderOptions()),
        normals="normal" in recipe.show,
    )
    return (engine or LocalEngine()).draw(work)


def frames(
    generator: Generator,
    *,
    options: RenderOptions | None = None,
    **view: Unpack[SweepOptions],
) -> Iterator[Frame]:
    """The frames of a sweep: ``graf.frames(generator, azimuth=(0, 360), frames=120)``.

    Takes what `render` takes; a pair or more numbers are keyframes to sweep along.

    Raises
    ------
    UsageError
        When an option's value cannot be meant.
    """
    recipe = sweep(reference(generator), generator.spec, **view)
    return draw(generator, recipe, options)


def render(
    generator: Generator,
    *,
    options: RenderOptions | None = None,
    **view: Unpack[SweepOptions],
) -> Frame:
    """One picture.

    Parameters
    ----------
    generator : Generator
    options : RenderOptions, optional
        How, not what: chunk, exactness.
    **view
        `seed`, or `shape` and `appearance` apart: which object; `truncation`; `latents`, rows of
        codes, instead. `azimuth`, `elevation` (degrees above the horizon), `fov` (degrees),
        `radius` (world units), or `poses`, rows of a 3 × 4 camera-to-world matrix. `size`
        (pixels, or width and height), `samples` along a ray, `background`. What is missing comes
        from the model: the middle of its training range, its size and background. With
        ``show=["normal"]`` the frame has its `normal` as well.

    Returns
    -------
    Frame

    Raises
    ------
    UsageError
        When an option's value cannot be meant, or the view is more than one picture.
    """
    recipe = sweep(reference(generator), generator.spec, **view)
    if len(recipe) != 1:
        raise UsageError(f"This is {len(recipe)} pictures; use `frames` for a sweep.")
    return next(draw(generator, recipe, options))
