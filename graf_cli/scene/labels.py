"""Cameras as labels of 25 numbers, which data sets of posed pictures carry for training.

Sixteen are a camera-to-world matrix and nine the intrinsics, both row by row. The world's y axis
points up, and a camera's axes are OpenCV's: x right, y down, looking along z. Intrinsics are
divided by the picture's sides, and a pixel's centre is at (i + 0.5, j + 0.5). Our world's (x, y, z)
is theirs (z, x, y).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graf_cli.arrays import Array
from graf_cli.errors import UsageError
from graf_cli.scene.files import Json, Poses, Size, check_rows, fitted
from graf_cli.scene.intrinsics import HALF, Intrinsics

NUMBERS = 25
POSE = 16  # of these
KEY = "labels"  # of a data set's `dataset.json`
TO_OURS = (2, 0, 1)  # their axis for each of ours
TO_THEIRS = (1, 2, 0)
FLIPPED = np.array([1.0, -1.0, -1.0, 1.0])  # columns: OpenCV's axes to OpenGL's and back
LARGEST = 1e3  # focal length in sides of the picture, and likewise the principal point
SKEW = 1e-6  # of the numbers that a pinhole has as 0 or 1


def pose_of(label: Array) -> Array:
    """Our camera to world, shape = (…, 3, 4), of labels, shape = (…, 25)."""
    theirs = np.asarray(label, np.float64)[..., :POSE].reshape(*np.shape(label)[:-1], 4, 4)
    ours: Array = theirs[..., [*TO_OURS], :] * FLIPPED
    return ours


def label_of(pose: Array, intrinsics: Array) -> Array:
    """The label, shape = (25,), of our camera to world, shape = (3, 4).

    Parameters
    ----------
    pose : ndarray, shape = (3, 4)
    intrinsics : ndarray, shape = (3, 3)
        Divided by the size of the picture.
    """
    theirs = np.eye(4)
    theirs[:3] = (pose * FLIPPED)[[*TO_THEIRS]]
    return np.concatenate([theirs.ravel(), np.asarray(intrinsics, np.float64).ravel()])


def lens_of(lens: Intrinsics, size: Size) -> Array:
    """A pinhole as a label has it, shape = (3, 3)."""
    fx, fy, cx, cy = lens
    width, height = size
    return np.array(
        [[fx / width, 0, (cx + HALF) / width], [0, fy / height, (cy + HALF) / height], [0, 0, 1]]
    )


def from_document(path: Path, document: Json, asked: Size | None) -> Poses:
    """Cameras of a `dataset.json`: its labels, one a picture, in their order.

    Raises
    ------
    UsageError
    """
    entries = document[KEY]
    pairs = entries.items() if isinstance(entries, dict) else entries
    try:
        table = np.array([label for _, label in pairs], dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"{path}: its `{KEY}` are not a name and {NUMBERS} numbers a picture; "
            "name the dataset.json of a data set with cameras."
        ) from error
    return from_labels(path, table, asked)


def from_labels(path: Path, table: Array, size: Size | None) -> Poses:
    """Cameras of labels, shape = (n, 25) or (25,).

    Parameters
    ----------
    path : Path
        For messages.
    table : ndarray
    size : (int, int) or None
        Of the pictures, which a label does not say; without it lenses are left out.

    Raises
    ------
    UsageError
        When they are of another shape, of no rotation, or of no pinhole.
    """
    if table.size and table.shape[-1:] != (NUMBERS,):
        raise UsageError(f"{path}: its labels have the shape {table.shape}, not n × {NUMBERS}.")
    table = np.asarray(table, np.float64).reshape(-1, NUMBERS)
    whole = table[:, :POSE].reshape(-1, 4, 4)
    check_rows(path, whole)
    rows = check_rows(path, pose_of(table))
    lenses = [_lens(path, k, row) for k, row in enumerate(table[:, POSE:].tolist())]
    if size is None:
        return Poses(rows)
    width, height = size
    scaled = [
        Intrinsics(fx * width, fy * height, cx * width - HALF, cy * height - HALF)
        for fx, fy, cx, cy in lenses
    ]
    return fitted(path, rows, scaled, [size] * len(scaled), size)


def _lens(path: Path, k: int, numbers: list[float]) -> Intrinsics:
    fx, skew, cx, zero, fy, cy, *last = numbers
    rest = np.abs([skew, zero, last[0], last[1], last[2] - 1])
    if not (0 < fx < LARGEST and 0 < fy < LARGEST and max(abs(cx), abs(cy)) < LARGEST):
        raise UsageError(
            f"{path}: camera {k} has focal lengths {fx:g} and {fy:g} and the principal point "
            f"({cx:g}, {cy:g}); labels have them in sides of the picture."
        )
    if not bool((rest < SKEW).all()):
        raise UsageError(
            f"{path}: camera {k} is skewed, or its last row is not 0 0 1, which no pinhole has; "
            "give pinholes alone."
        )
    return Intrinsics(fx, fy, cx, cy)
