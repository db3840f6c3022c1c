"""Frames and recipes that are made up, so that outputs are tested without rendering."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graf_cli.families.graf.scene import Codes
from graf_cli.output.formats import Encoding, target_of
from graf_cli.output.open import open_sink
from graf_cli.recipe import ModelRef, Recipe, model_ref
from graf_cli.rendering.renderer import Frame, Image, Shot
from graf_cli.request import sweep
from graf_cli.scene.camera import Camera, pose_on_sphere
from graf_cli.scene.spec import ModelSpec
from graf_cli.syntax import rgb_of
from tests.conftest import small_spec

NEAR, FAR = 2.0, 6.0


def reference(spec: ModelSpec | None = None) -> ModelRef:
    return model_ref(spec or small_spec(), "0" * 64)


def recipe_of(frames: int = 1, **options: Any) -> Recipe:
    """A sweep of the small model, 10 × 6 pixels unless it says otherwise."""
    asked = {"size": (10, 6), "azimuth": (0, 90) if frames > 1 else 0, "frames": frames, **options}
    return sweep(reference(), small_spec(), **asked)


def normal_of(frame: Frame) -> Image:
    """Its normals, which are there."""
    assert frame.normal is not None
    return frame.normal


def frame_of(recipe: Recipe, k: int = 0, *, opaque: bool = False) -> Frame:
    """A smooth picture, other for each `k`; opaque at its left, clear at its right."""
    height, width = recipe.height, recipe.width
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    opacity = np.ones_like(x) if opaque else np.clip(1.4 - 1.5 * x, 0, 1)
    colour = np.stack((x, y, np.full_like(x, (k % 5) / 5)), axis=-1)
    depth = (NEAR + (FAR - NEAR) * y) * opacity
    normal = np.stack((x, y, np.ones_like(x)), axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    behind = (0.0, 0.0, 0.0) if recipe.background == "transparent" else rgb_of(recipe.background)
    rgb = colour * opacity[..., None] + (1 - opacity[..., None]) * np.array(behind)
    return Frame(
        rgb=_float32(rgb),
        depth=_float32(depth),
        opacity=_float32(opacity),
        shot=_shot(recipe, behind),
        normal=_float32(normal),
    )


def _float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)


def _shot(recipe: Recipe, behind: tuple[float, float, float]) -> Shot:
    pose = pose_on_sphere(30, 20, 4)
    camera = Camera(pose, recipe.width, recipe.height, fov=40, near=NEAR, far=FAR)
    nothing = torch.zeros(0, device="cpu", dtype=torch.float32)
    return Shot(Codes(nothing, nothing).subject(), camera, recipe.samples, behind)


def frames_of(recipe: Recipe, *, opaque: bool = False) -> list[Frame]:
    return [frame_of(recipe, k, opaque=opaque) for k in range(len(recipe))]


def written(
    out: Path | str, recipe: Recipe, encoding: Encoding | None = None, **options: Any
) -> Sequence[Path]:
    """Write a recipe's made-up frames; the files."""
    opaque = options.pop("opaque", False)
    form = options.pop("form", None)
    target = target_of(str(out), form)
    with open_sink(target, recipe, encoding=encoding, **options) as sink:
        for frame in frames_of(recipe, opaque=opaque):
            sink.write(frame)
    return sink.paths
