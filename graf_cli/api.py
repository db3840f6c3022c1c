"""The library: what `import graf_cli as graf` offers, and all that the command line uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Unpack

from graf_cli.engine import local
from graf_cli.errors import UsageError
from graf_cli.model import download
from graf_cli.model.device import pick_device
from graf_cli.model.generator import Generator, load_checkpoint, load_spec
from graf_cli.model.manifest import load_manifest
from graf_cli.recipe import ModelRef, Recipe, SweepOptions, model_ref, sweep
from graf_cli.render.renderer import Frame, RenderOptions
from graf_cli.shots import Shots

DEFAULT_MODEL = "toy-cars"


def load(
    model: str = DEFAULT_MODEL,
    *,
    checkpoint: str | Path | None = None,
    config: str | Path | None = None,
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
        A file of your own training instead, with its `config` (the `config.yaml` beside it), or
        one that ``graf convert`` made, which needs none.
    config : path, optional
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
        return load_checkpoint(Path(checkpoint), Path(config) if config else None, place)
    if config is not None:
        raise UsageError("A configuration goes with a checkpoint; give --checkpoint as well.")
    spec = load_manifest(Path(manifest) if manifest else None).resolve(model)
    assert spec.weights is not None
    path = download.fetch(spec.weights, offline=offline, progress=progress, notify=notify)
    return load_spec(spec, path, place)


def reference(generator: Generator) -> ModelRef:
    """How a Recipe names this model."""
    return model_ref(generator.spec, generator.sha256)


def draw(
    generator: Generator, recipe: Recipe, options: RenderOptions | None = None
) -> Iterator[Frame]:
    """The frames of a recipe, one at a time as they are asked for.

    Raises
    ------
    RecipeError
        When the recipe is not of this model.
    DeviceError
        When the device's memory does not hold even the smallest chunk.
    """
    return local.render(generator, Shots(recipe, generator.spec), options)


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
        from the model: the middle of its training range, its size and background.

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
