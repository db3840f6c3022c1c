"""Data sets of made-up frames, and what is in them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graf_cli.output.dataset import open_dataset
from graf_cli.recipe import Dataset, Recipe
from graf_cli.rendering.renderer import Frame
from graf_cli.request import dataset
from graf_cli.scene.spec import CameraSpec
from graf_cli.shots import Shots
from tests.conftest import small_spec
from tests.output.frames import frame_of, reference

SPEC = small_spec()
VARYING = small_spec(camera=CameraSpec(near=2.0, far=6.0, radius=(3.5, 4.5), fov=40.0))


def recipe_of(n: int = 3, views: int = 2, spec: Any = SPEC, **options: Any) -> Recipe:
    return dataset(reference(spec), spec, n, views, **{"size": (10, 6), "seed": 5, **options})


def frame(recipe: Recipe, k: int, spec: Any = SPEC) -> Frame:
    return dataclasses.replace(frame_of(recipe, k), shot=Shots(recipe, spec)[k])


def written(
    folder: Path, recipe: Recipe, pictures: Sequence[int] | None = None, **options: Any
) -> Path:
    """Write some pictures of a data set, by default all."""
    pictures = range(len(recipe)) if pictures is None else pictures
    spec = options.pop("spec", SPEC)
    with open_dataset(folder, recipe, Shots(recipe, spec), spec, **options) as sink:
        for k in sink.missing(pictures):
            sink.put(k, frame(recipe, k, spec))
    return folder


def objects(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "objects.jsonl").read_text().splitlines()]


def plan_of(recipe: Recipe) -> Dataset:
    assert isinstance(recipe.plan, Dataset)
    return recipe.plan
