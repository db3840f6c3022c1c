"""View states become pictures, on the renderer's thread: small ones at once, then the exact one."""

from __future__ import annotations

import math
import time
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
from graf_cli.recipe import SCALED, Export, Kind, Recipe
from graf_cli.rendering.fast.proof import Outcome
from graf_cli.rendering.normals import with_normals
from graf_cli.rendering.preview import Preview
from graf_cli.rendering.renderer import Frame, RenderOptions, Series, Shot
from graf_cli.rendering.threads import check_cancelled
from graf_cli.scene.camera import Camera, camera_for, pose_on_sphere
from graf_cli.shots import Shots
from graf_cli.surfaces.extract import extract
from graf_cli.surfaces.shapes import Page
from graf_cli.viewer.line import line_of
from graf_cli.viewer.models import Held, bakes
from graf_cli.viewer.recipes import asked_of, recipe_of
from graf_cli.viewer.state import Film, ViewState, fitting

SMALL, LEAST = 64**2, 20**2  # pixels of a frame while something moves, at most and at least
QUICK = 0.022  # seconds that it is to take: with its way to the page less than a person notices
FEWER, MORE = 0.5, 1.3  # times as many pixels as the frame before had: its first one makes a grid
SHAPES: frozenset[Kind] = SCALED | {"opacity", "normal", "alpha"}  # that show no colours
SAMPLES = 24  # of its rays, at most: as many as so few pixels can show
SERIES = 1  # frames that it is made for: a finer one takes seconds, and saves a third of a frame
RATIOS = 1.05, 1.4, 1.85, 2.5  # of sides of windows, each with a grid of its own
COARSE, FINE = 32, 96  # points along the longest side of a volume: at once, and at rest at most
BAKING = 8.0  # seconds that the finer one may take, by what the coarse one took
STEP = 8  # times as many pixels from one progressive picture to the next: an eighth longer in all
LARGE = 1 << 17  # pixels of an exact picture that takes longer than a finer volume
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


def preview(
    held: Held, state: ViewState, window: tuple[int, int], most: int | None = None
) -> Picture:
    """A small picture of a view state, unproved; without `most` of as many pixels as are quick."""
    size = size_of(held, state, window)
    if features_of(held.spec).sizes:
        return _small(held, recipe_of(held.opened, state, size), 0)
    pixels = most or held.quick.get(state.show, SMALL)
    start = time.perf_counter()
    picture = _small(held, recipe_of(held.opened, state, fitting(size, pixels)), 0)
    if most is None:
        held.quick[state.show] = quicker(pixels, time.perf_counter() - start)
    return picture


def quicker(pixels: int, seconds: float) -> int:
    """Pixels of the next small frame, when one of so many took so long."""
    times = min(max(QUICK / max(seconds, 1e-6), FEWER), MORE)
    return min(max(int(pixels * times), LEAST), SMALL)


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
    renderer, shot, series = _small_shot(held, recipe, k)
    frame = renderer.render(shot, series, surface=recipe.show != ("rgb",))
    if "normal" not in recipe.show:
        return frame
    return with_normals(held.generator, frame, renderer.scene(shot))


def ready(held: Held, state: ViewState, window: tuple[int, int]) -> None:
    """Do what small frames of an object would wait for, where no volume of it is turned."""
    if state.show == ("rgb",) and bakes(held.spec):
        return
    size = fitting(size_of(held, state, window), SMALL)
    renderer, shot, series = _small_shot(held, recipe_of(held.opened, state, size), 0)
    renderer.prepare(shot, series)


def _small_shot(held: Held, recipe: Recipe, k: int) -> tuple[Preview, Shot, Series]:
    """Who renders a small frame, what of, and the series that it is one of."""
    if not features_of(held.spec).further and recipe.samples > SAMPLES:
        recipe = replace(recipe, samples=SAMPLES)
    shot = Shots(recipe, held.spec)[k]
    series = Series(replaced(shot, camera=_usual(held, shot)), SERIES)
    return held.shape if SHAPES.issuperset(recipe.show) else held.preview, shot, series


def _usual(held: Held, shot: Shot) -> Camera:
    """A usual camera, by which one grid of space serves an object however it is seen."""
    camera, features = held.spec.camera, features_of(held.spec)
    if features.cameras == "front":
        return shot.camera
    azimuth, elevation, radius = (
        (ends[0] + ends[1]) / 2 for ends in (camera.azimuth, camera.elevation, camera.radius)
    )
    pose = pose_on_sphere(azimuth, elevation, radius, camera.pivot)
    sides = shot.camera.width, shot.camera.height
    if features.sizes or camera.orthographic:
        return camera_for(camera, pose, width=sides[0], height=sides[1])
    wider = next((one for one in RATIOS if one >= max(sides) / min(sides)), RATIOS[-1])
    across = 2 * math.degrees(math.atan(math.tan(math.radians(camera.fov) / 2) * wider))
    return camera_for(camera, pose, width=round(wider * 64), height=64, fov=across)


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


def stepwise(held: Held, state: ViewState, window: tuple[int, int]) -> Iterator[Picture]:
    """Smaller pictures before the exact one."""
    size = size_of(held, state, window)
    if not features_of(held.spec).sizes:
        for smaller in steps(size):
            yield _exact(held, recipe_of(held.opened, state, smaller), "step")


def exactly(held: Held, state: ViewState, window: tuple[int, int]) -> Picture:
    """The exact picture."""
    size = size_of(held, state, window)
    return _exact(held, recipe_of(held.opened, state, size), "exact")


def is_large(held: Held, state: ViewState, window: tuple[int, int]) -> bool:
    """Whether the exact picture takes so long that a finer volume comes before it."""
    width, height = size_of(held, state, window)
    return width * height > LARGE


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
