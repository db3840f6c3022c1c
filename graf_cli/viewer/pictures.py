"""View states become pictures, on the renderer's thread: small ones at once, then the exact one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace as replaced
from typing import Any

import numpy as np
from msgspec.structs import replace

from graf_cli.errors import UsageError
from graf_cli.jobs import work_of
from graf_cli.model.spec import features_of
from graf_cli.output.encode.pixels import pixels, shown
from graf_cli.output.encode.stills import encode
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.recipe import Export, Recipe
from graf_cli.rendering.fast.proof import Outcome
from graf_cli.rendering.normals import with_normals
from graf_cli.rendering.renderer import Frame, RenderOptions, Series, Shot
from graf_cli.rendering.threads import check_cancelled
from graf_cli.scene.camera import Camera, camera_for, pose_on_sphere
from graf_cli.shots import Shots
from graf_cli.surfaces.extract import extract
from graf_cli.surfaces.shapes import Page
from graf_cli.viewer.line import line_of
from graf_cli.viewer.models import Held
from graf_cli.viewer.recipes import asked_of, recipe_of
from graf_cli.viewer.state import Film, ViewState, fitting

SMALL = 64**2  # pixels of a frame while something moves
SAMPLES = 31  # of its rays, at most: with them a coarser grid of space is enough, made at once
SERIES = 1  # frames that it is made for: a finer one takes seconds, and saves a third of a frame
COARSE, FINE = 32, 96  # points along the longest side of a volume: at once, and at rest at most
BAKING = 8.0  # seconds that the finer one may take, by what the coarse one took
STEP = 4  # times as many pixels from one progressive picture to the next
FIRST_STEP = 96**2  # pixels below which a picture is made at once
MOST_EXACT = 1 << 21  # pixels of a picture of the window, so that its memory is bounded


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture, ready to be sent.

    Attributes
    ----------
    kind : str
        ``preview``, ``step`` or ``exact``.
    width, height : int
    data : bytes
        RGBA of a preview, else a PNG file.
    outcome : Outcome or None
        How it was made, and the largest difference from the exact integrator measured; None of a
        preview, of which none is.
    """

    kind: str
    width: int
    height: int
    data: bytes
    outcome: Outcome | None = None


def size_of(held: Held, state: ViewState, window: tuple[int, int]) -> tuple[int, int]:
    """Pixels of the exact picture of a view state.

    Raises
    ------
    UsageError
        When the view state's own are too many for a page.
    """
    sizes = features_of(held.spec).sizes
    if state.size is not None:
        if state.size[0] * state.size[1] > MOST_EXACT:
            raise UsageError(
                f"A picture of {state.size[0]}x{state.size[1]} is too large for a page; "
                "copy its command line."
            )
        return state.size
    return (sizes[0], sizes[0]) if sizes else fitting(window, MOST_EXACT)


def told(held: Held, state: ViewState, window: tuple[int, int], out: str) -> tuple[str, Recipe]:
    """The command line and the recipe of the exact picture."""
    size = size_of(held, state, window)
    recipe = recipe_of(held.opened, state, size)
    asked = asked_of(state, features_of(held.spec), size)
    return line_of(held.source, asked, recipe, out), recipe


# while something moves


def preview(held: Held, state: ViewState, window: tuple[int, int], most: int = SMALL) -> Picture:
    """A small picture of a view state, unproved."""
    size = size_of(held, state, window)
    if not features_of(held.spec).sizes:
        size = fitting(size, most)
    return _small(held, recipe_of(held.opened, state, size), 0)


def film_size(held: Held, film: Film, window: tuple[int, int], most: int) -> tuple[int, int]:
    """Pixels of a film's frames, at most so many."""
    sizes = features_of(held.spec).sizes
    return (sizes[0], sizes[0]) if sizes else fitting(film.size or window, most)


def film_preview(held: Held, recipe: Recipe, k: int) -> Picture:
    """A small picture of a film's frame."""
    return _small(held, recipe, min(k, len(recipe) - 1))


def _small(held: Held, recipe: Recipe, k: int) -> Picture:
    frame = small_frame(held, recipe, k)
    image = pixels(frame, recipe)
    if image.shape[-1] == 3:
        image = np.concatenate((image, np.full_like(image[..., :1], 255)), axis=-1)
    height, width = image.shape[:2]
    return Picture("preview", width, height, np.ascontiguousarray(image).tobytes())


def small_frame(held: Held, recipe: Recipe, k: int) -> Frame:
    """A frame as `Preview` makes it."""
    if not features_of(held.spec).further and recipe.samples > SAMPLES:
        recipe = replace(recipe, samples=SAMPLES)
    shot = Shots(recipe, held.spec)[k]
    series = Series(replaced(shot, camera=_usual(held, shot)), SERIES)
    frame = held.preview.render(shot, series, surface=recipe.show != ("rgb",))
    return with_normals(held.generator, frame) if "normal" in recipe.show else frame


def _usual(held: Held, shot: Shot) -> Camera:
    """The model's usual camera, by which one grid of space serves an object however it is seen."""
    camera = held.spec.camera
    if features_of(held.spec).cameras == "front":
        return shot.camera
    azimuth, elevation, radius = (
        (ends[0] + ends[1]) / 2 for ends in (camera.azimuth, camera.elevation, camera.radius)
    )
    pose = pose_on_sphere(azimuth, elevation, radius, camera.pivot)
    return camera_for(camera, pose, width=shot.camera.width, height=shot.camera.height)


# volumes


@dataclass(frozen=True, eq=False)
class Volume:
    """A baked volume, as a page draws it.

    Attributes
    ----------
    about : dict
        See `graf_cli.surfaces.page`.
    data : bytes
    """

    about: dict[str, Any]
    data: bytes


def volume(held: Held, state: ViewState, resolution: int) -> Volume:
    """An object's volume, so many points along its longest side.

    Raises
    ------
    SurfaceError
        When the object has none.
    """
    recipe = recipe_of(held.opened, replace(state, size=None, lens=None), (64, 64))
    shot = Shots(recipe, held.spec)[0]
    made = extract(
        held.generator, shot, held.spec.camera, Export(kind="page", resolution=resolution),
        report=lambda done, what: check_cancelled(),  # noqa: ARG005 - told of on the way
    )  # fmt: skip
    assert isinstance(made, Page)
    return Volume(made.about, made.volume)


def finer(seconds: float) -> int | None:
    """Points of the finer volume, when the coarse one took so long; None where it is not worth it.

    The time that a volume takes grows with its points, and with how much of them is haze.
    """
    points = int(COARSE * (BAKING / max(seconds, 1e-3)) ** (1 / 3))
    return min(points, FINE) if points > COARSE else None


# at rest


def exactly(held: Held, state: ViewState, window: tuple[int, int]) -> Iterator[Picture]:
    """The exact picture, and smaller ones before it."""
    size = size_of(held, state, window)
    if not features_of(held.spec).sizes:
        for smaller in steps(size):
            yield _exact(held, recipe_of(held.opened, state, smaller), "step")
    yield _exact(held, recipe_of(held.opened, state, size), "exact")


def steps(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Sizes of the pictures before the last one, from small to large."""
    found, most = [], size[0] * size[1] // STEP
    while most >= FIRST_STEP:
        found.append(fitting(size, most))
        most //= STEP
    return found[::-1]


def _exact(held: Held, recipe: Recipe, kind: str) -> Picture:
    """As `graf render` writes it, to the last byte."""
    work = work_of(held.generator, recipe, range(1), RenderOptions(), surface=False)
    with held.engine.draw(work) as drawing:
        frame = next(drawing)
        image = shown(frame, recipe)
        data = encode(image, "png", Stamp(recipe))
        return Picture(kind, image.shape[1], image.shape[0], data, drawing.outcome)
