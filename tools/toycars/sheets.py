"""Contact sheets to look at: a fitted model beside the truth, and alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from graf_cli.families.graf.scene import Codes
from graf_cli.families.graf.scene import draw_codes as draw_latent
from graf_cli.families.graf.spec import LatentSpec
from graf_cli.model.generator import load_checkpoint
from graf_cli.scene.codes import Code, along_great_circle
from tools.toycars.codes import SHAPE_FACTOR_NAMES
from tools.toycars.evaluate import FACTOR_VIEW, FIRST_SEED, VIEW_SEED, moved
from tools.toycars.truth import V_RANGE
from tools.toycars.views import ModelViews, View, random_views, truth

Cell = tuple[Codes, View]
KINDS = ("cases", "grid", "turntable", "elevations", "factors", "interpolations")


def draw_sheet(
    path: Path, kind: str, *, out: Path, size: int, seeds: list[int], device: torch.device
) -> None:
    """Draw one sheet.

    Parameters
    ----------
    path
        The model's safetensors file.
    kind
        One of `KINDS`; `cases` puts the truth above each of the model's pictures.
    out
        Picture to write.
    size
        Pixels a side of one cell.
    seeds
        Which cars; with `cases`, seeds of the evaluation.
    device
        Where to draw.
    """
    generator = load_checkpoint(path, None, device)
    model = ModelViews(generator, exact=False)
    rows = _rows(kind, generator.spec.settings.latent, seeds)
    drawn = []
    for row in rows:
        if kind == "cases":
            truths = [truth(latent, view, size, supersampling=2).colour[0] for latent, view in row]
            drawn.append(torch.cat(truths, dim=1))
        drawn.append(torch.cat([model.draw(*cell, size)[0] for cell in row], dim=1))
    _write(torch.cat(drawn, dim=0), out)


def _rows(kind: str, latents: LatentSpec, seeds: list[int]) -> list[list[Cell]]:
    cars = [draw_latent(latents, seed) for seed in seeds]
    if kind == "cases":
        return _cases(cars, seeds)
    if kind == "grid":
        return [[(Codes(a.shape, b.appearance), FACTOR_VIEW) for b in cars] for a in cars]
    if kind == "turntable":
        return [[(car, View(k / 8, FACTOR_VIEW.v)) for k in range(8)] for car in cars]
    if kind == "elevations":
        return [[(car, View(0.1, V_RANGE[1] * k / 6)) for k in range(7)] for car in cars]
    if kind == "factors":
        return _factors(cars[0])
    return [_between(a, b) for a, b in pairwise(cars)]


def _cases(cars: list[Codes], seeds: list[int]) -> list[list[Cell]]:
    views = random_views(max(seeds) - FIRST_SEED + 1, VIEW_SEED)
    cells = [(car, views[seed - FIRST_SEED]) for car, seed in zip(cars, seeds, strict=True)]
    return [cells[start : start + 8] for start in range(0, len(cells), 8)]


def _factors(car: Codes) -> list[list[Cell]]:
    return [
        [
            (Codes(moved(car, index, value), car.appearance), FACTOR_VIEW)
            for value in (0.05, 0.25, 0.5, 0.75, 0.95)
        ]
        for index in range(len(SHAPE_FACTOR_NAMES))
    ]


def _between(first: Codes, second: Codes) -> list[Cell]:
    return [
        (
            Codes(
                along_great_circle(Code(first.shape, second.shape, k / 7)),
                along_great_circle(Code(first.appearance, second.appearance, k / 7)),
            ),
            FACTOR_VIEW,
        )
        for k in range(8)
    ]


def _write(picture: Tensor, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    levels = (picture.clamp(0, 1) * 255).round().to(torch.uint8)
    Image.fromarray(levels.numpy()).save(out, quality=88)
