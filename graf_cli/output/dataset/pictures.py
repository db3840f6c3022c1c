"""A Frame becomes the files of one view, a Subject that of its object: bytes without dates."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from graf_cli.output.encode.arrays import EPOCH
from graf_cli.output.encode.pixels import shown, surface
from graf_cli.output.encode.stills import encode
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.recipe import Dataset, Recipe
from graf_cli.rendering.renderer import Frame
from graf_cli.scene.codes import Subject
from graf_cli.scene.features import Features

# Opacity, or share of objects, from which on a pixel shows that rather than what is behind.
SURFACE = 0.5
DEEPEST = 65535  # steps


def picture_files(frame: Frame, recipe: Recipe, stamp: Stamp | None) -> tuple[bytes, bytes, bytes]:
    """Image, depth and opacity of one view, as PNG files."""
    assert isinstance(recipe.plan, Dataset)
    image, depth = shown(frame, recipe), metric_depth(frame, recipe.plan.depth_unit)
    return (
        encode(image, "png", stamp),
        encode(depth, "png", stamp),
        encode(opacity(frame), "png", stamp),
    )


def labels(frame: Frame) -> NDArray[np.uint8]:
    """Which object each pixel shows, shape = (H, W): its number and 1, or 0 for none.

    Objects are at least half of the pixel together, and that one is most of it.
    """
    assert frame.masks is not None, "masks are rendered where a data set has some"
    if not frame.masks.shape[-1]:
        return np.zeros(frame.masks.shape[:2], dtype=np.uint8)
    most = frame.masks.argmax(axis=-1) + 1
    return np.asarray(np.where(frame.alpha >= SURFACE, most, 0), dtype=np.uint8)


def metric_depth(frame: Frame, unit: float) -> NDArray[np.uint16]:
    """Depth of the surface along the optical axis in steps of `unit`, shape = (H, W).

    0 where less than half of the light is stopped, so that there is no surface to speak of.
    """
    steps = np.clip(np.round(surface(frame).astype(np.float64) / unit), 1, DEEPEST)
    return np.asarray(np.where(frame.opacity >= SURFACE, steps, 0), dtype=np.uint16)


def opacity(frame: Frame) -> NDArray[np.uint8]:
    """From 0, clear, to 255, opaque; shape = (H, W)."""
    return np.asarray(np.clip(frame.opacity * 255 + 0.5, 0, 255), dtype=np.uint8)


def codes_archive(subject: Subject, features: Features) -> bytes:
    """Each block, shape = (1, length), as `.npz`, which ``--latent`` takes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, code in _codes(subject, features).items():
            numbers = code.numpy().astype("<f4")[None]
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), _npy(numbers))
    return buffer.getvalue()


def codes_array(subject: Subject, features: Features) -> bytes:
    """All blocks as `.npy`, shape = (length,), in their order."""
    parts = [code.numpy() for code in _codes(subject, features).values()]
    return _npy(np.concatenate([*parts, np.empty(0)]).astype("<f4"))


def _codes(subject: Subject, features: Features) -> dict[str, Tensor]:
    """By block, such that the model's own truncation makes this object of them.

    Where truncation multiplies codes, what differs from the model's is in the numbers. Where it
    draws them towards a mean, no code says it, and they are as they were drawn.
    """
    scale = 1.0
    if features.truncation == "scale":
        scale = subject.truncation / features.truncation_default
    return {
        name: code.start if scale == 1 else code.start * scale
        for name, code in subject.codes.items()
    }


def _npy(numbers: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, numbers, allow_pickle=False)
    return buffer.getvalue()
