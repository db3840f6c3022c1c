"""A Frame becomes pixels: colour, depth, opacity, normals, alone or side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graf_cli.output.encode.colours import coloured
from graf_cli.output.formats import has_alpha
from graf_cli.recipe import SCALED, TRANSPARENT, Kind, Recipe
from graf_cli.rendering.renderer import Frame
from graf_cli.syntax import rgb_of

Pixels = NDArray[np.uint8]
Pixels16 = NDArray[np.uint16]
Shown = Pixels | Pixels16
Image = NDArray[np.float32]

FAINTEST = 1e-3  # opacity below which a ray met nothing whose depth could be told
DEEPEST = 65535  # the far end in 16 bits; 0 says that nothing is there


def shown(frame: Frame, recipe: Recipe) -> Shown:
    """What is shown of a frame: (H, W, 3 or 4) bytes, or (H, W) in 16 bits."""
    if recipe.show == ("depth16",):
        return deep_pixels(frame, recipe)
    return pixels(frame, recipe)


def pixels(frame: Frame, recipe: Recipe) -> Pixels:
    """What is shown of a frame, as bytes.

    Returns
    -------
    ndarray, shape = (H, W, 3 or 4)
        RGB, [0, 255]; alpha last, the colours not multiplied by it.
    """
    panels = [_panel(frame, recipe, kind) for kind in recipe.show]
    if not has_alpha(recipe):
        return np.concatenate(panels, axis=1)
    return np.concatenate([_opaque(panel) for panel in panels], axis=1)


def deep_pixels(frame: Frame, recipe: Recipe) -> Pixels16:
    """Depth in 16 bits, shape = (H, W): 1 at the near end, 65535 at the far, 0 where nothing is."""
    assert recipe.depth_range is not None
    near, far = recipe.depth_range
    t = np.clip((surface(frame) - near) / (far - near), 0, 1)
    deep = np.asarray(1 + np.round(t * (DEEPEST - 1)), dtype=np.uint16)
    return np.where(frame.opacity > FAINTEST, deep, np.uint16(0))


def surface(frame: Frame) -> Image:
    """Depth of what is seen, ``depth / opacity``, shape = (H, W), world units."""
    return np.asarray(frame.depth / np.maximum(frame.opacity, FAINTEST), dtype=np.float32)


def _opaque(panel: Pixels) -> Pixels:
    if panel.shape[-1] == 4:
        return panel
    return np.concatenate((panel, np.full_like(panel[..., :1], 255)), axis=-1)


def _panel(frame: Frame, recipe: Recipe, kind: Kind) -> Pixels:
    see_through = recipe.background == TRANSPARENT
    match kind:
        case "rgb" if not see_through:
            return _bytes(frame.rgb)
        case "rgb" | "rgba":
            return _straight(frame)
        case "raw":
            return _bytes(_enlarged(frame))
        case "opacity" | "alpha":
            grey = frame.opacity if kind == "opacity" else frame.alpha
            return _bytes(np.repeat(grey[..., None], 3, axis=-1))
        case _:
            colour = _shaded(frame, recipe, kind)
    if see_through:
        return np.concatenate((_bytes(colour), _bytes(frame.opacity[..., None])), axis=-1)
    behind = np.asarray(rgb_of(recipe.background), dtype=np.float32)
    covered = np.clip(frame.opacity, 0, 1)[..., None]
    return _bytes(np.asarray(colour * covered + behind * (1 - covered), dtype=np.float32))


def _enlarged(frame: Frame) -> Image:
    """What was integrated before a 2-D stage, at the picture's size, shape = (H, W, 3)."""
    assert frame.raw is not None, "raw colours are shown of models that have a 2-D stage alone"
    (height, width), (rows, columns) = frame.rgb.shape[:2], frame.raw.shape[:2]
    down, across = np.arange(height) * rows // height, np.arange(width) * columns // width
    return np.asarray(frame.raw[down][:, across])


def _shaded(frame: Frame, recipe: Recipe, kind: Kind) -> Image:
    """Colours of numbers, shape = (H, W, 3), in [0, 1], as if all were opaque."""
    if kind in SCALED:
        assert recipe.depth_range is not None
        near, far = recipe.depth_range
        depth = surface(frame)
        if kind == "depth":
            return coloured(np.asarray(far - depth, dtype=np.float32), far - near)
        low, high = 1 / far, 1 / max(near, 1e-3 * far)
        nearness = 1 / np.maximum(depth, 1e-10) - low
        return coloured(np.asarray(nearness, dtype=np.float32), high - low)
    return np.asarray((seen_normals(frame, recipe) + 1) / 2, dtype=np.float32)


def seen_normals(frame: Frame, recipe: Recipe) -> Image:
    """Normals in the axes that the recipe asks for, shape = (H, W, 3), each in [-1, 1]."""
    assert frame.normal is not None, "normals are rendered when they are shown"
    if recipe.normals == "world":
        return frame.normal
    rotation = frame.shot.camera.pose[:, :3]
    return np.asarray(frame.normal @ rotation, dtype=np.float32)


def _straight(frame: Frame) -> Pixels:
    """Colour and alpha, rounded so that on any background the error is half a step of each."""
    on_black = frame.on_black
    alpha = _bytes(frame.opacity[..., None])
    colour = np.asarray(on_black / np.maximum(alpha / 255, 1 / 510), dtype=np.float32)
    return np.concatenate((_bytes(colour), alpha), axis=-1)


def _bytes(values: Image) -> Pixels:
    """From [0, 1], rounded to nearest."""
    return np.asarray(np.clip(values * 255 + 0.5, 0, 255), dtype=np.uint8)
