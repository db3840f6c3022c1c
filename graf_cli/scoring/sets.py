"""Sets of pictures that are compared: real ones of a folder, and generated ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from graf_cli.engine.local import LocalEngine
from graf_cli.errors import UsageError
from graf_cli.jobs import work_of
from graf_cli.model.generator import Generator
from graf_cli.opening import reference
from graf_cli.output.encode.pixels import pixels
from graf_cli.recipe import TRANSPARENT, Recipe
from graf_cli.rendering.renderer import RenderOptions
from graf_cli.request import sample

Picture = NDArray[np.uint8]  # (H, W, 3)

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})


def samples_of(generator: Generator, n: int, seed: int, **picture_options: Any) -> Recipe:
    """The recipe of the generated pictures, those of `graf sample`.

    Raises
    ------
    UsageError
    """
    recipe = sample(reference(generator), generator.spec, n, seed, **picture_options)
    if recipe.background == TRANSPARENT:
        raise UsageError("Pictures that are compared have a ⟨background⟩; give its colour.")
    return recipe


def drawn(
    generator: Generator, recipe: Recipe, options: RenderOptions | None = None
) -> Iterator[Picture]:
    """The pictures of a recipe, in the bytes that their PNG files hold."""
    work = work_of(generator, recipe, range(len(recipe)), options or RenderOptions(), surface=False)
    with LocalEngine() as engine, engine.draw(work) as drawing:
        for frame in drawing:
            yield pixels(frame, recipe)


def pictures_of(folder: Path) -> list[Path]:
    """The pictures in a folder and those below it, in the order of their names.

    Raises
    ------
    UsageError
        When there are none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise UsageError(
            f"{folder} holds no pictures (.png, .jpg, .webp); name a folder that does."
        )
    return found


def read_pictures(paths: Iterable[Path], size: tuple[int, int]) -> Iterator[Picture]:
    """Real pictures at the size of the generated ones: the middle, scaled by area.

    Every difference between both sets counts, that of how they were scaled too: pictures of
    another size are cut to the same proportions around their middle and scaled as Pillow's
    antialiased bicubic filter does it.

    Raises
    ------
    UsageError
        When one cannot be read.
    """
    for path in paths:
        try:
            with Image.open(path) as image:
                turned = ImageOps.exif_transpose(image).convert("RGB")
                if turned.size != size:
                    turned = ImageOps.fit(turned, size, Image.Resampling.BICUBIC)
                yield np.array(turned, dtype=np.uint8)
        except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
            raise UsageError(f"{path} cannot be read as a picture: {error}.") from error


def common_size(paths: Iterable[Path]) -> tuple[int, int]:
    """Width and height of pictures that all have the same.

    Raises
    ------
    UsageError
        When they have not.
    """
    sizes = set()
    for path in paths:
        try:
            with Image.open(path) as image:
                sizes.add(image.size)
        except (OSError, UnidentifiedImageError) as error:
            raise UsageError(f"{path} cannot be read as a picture: {error}.") from error
    if len(sizes) != 1:
        raise UsageError(
            f"⟨generated⟩ holds pictures of {len(sizes)} sizes; compare those of one size."
        )
    return sizes.pop()
