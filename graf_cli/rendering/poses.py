"""Camera poses from files: NumPy arrays, or the `transforms.json` of nerfstudio."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graf_cli.arrays import MAX_BYTES, Array, read_arrays
from graf_cli.errors import UsageError

TOLERANCE = 1e-3  # of a rotation's columns from unit length and right angles


@dataclass(frozen=True)
class Poses:
    """Cameras of a file.

    Attributes
    ----------
    rows : list of 12 floats
        Camera-to-world matrices of shape 3 × 4, row by row; OpenGL axes, z up.
    fov : float or None
        Across the width, in degrees, when the file says so.
    size : (int, int) or None
        Width and height, likewise.
    """

    rows: Sequence[Sequence[float]]
    fov: float | None = None
    size: tuple[int, int] | None = None


def read_poses(path: Path) -> Poses:
    """Read cameras.

    Parameters
    ----------
    path : Path
        ``.npy`` or ``.npz`` (`poses`, or its only array) of shape n × 3 × 4 or n × 4 × 4, or a
        ``.json`` in nerfstudio's format.

    Raises
    ------
    UsageError
        When the file holds anything else, or a matrix that is no rotation.
    """
    if path.suffix.lower() == ".json":
        return _from_transforms(path)
    arrays = read_arrays(path)
    if "poses" not in arrays and len(arrays) != 1:
        raise UsageError(f"{path} holds the arrays {sorted(arrays)}; name the cameras `poses`.")
    matrices = arrays["poses"] if "poses" in arrays else next(iter(arrays.values()))
    return Poses(_rows(path, matrices))


def _from_transforms(path: Path) -> Poses:
    document = _json(path)
    try:
        matrices = np.array(
            [frame["transform_matrix"] for frame in document["frames"]], dtype=np.float64
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path} is no transforms.json: its `frames` need a `transform_matrix` each."
        ) from error
    width, height = (_number(path, document, key) for key in ("w", "h"))
    size = (int(width), int(height)) if width and height else None
    return Poses(_rows(path, matrices), _fov(path, document, width), size)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(MAX_BYTES))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; name a file.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path} is no transforms.json: it holds no `frames`.")
    return document


def _number(path: Path, document: Mapping[str, Any], key: str) -> float | None:
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, int | float) or not 0 < value < 1e6:
        raise UsageError(f"{path}: `{key}` is {value!r}, not a positive number.")
    return float(value)


def _fov(path: Path, document: Mapping[str, Any], width: float | None) -> float | None:
    angle = _number(path, document, "camera_angle_x")
    focal = _number(path, document, "fl_x")
    if focal and width:
        angle = 2 * math.atan(width / 2 / focal)
    return math.degrees(angle) if angle else None


def _rows(path: Path, matrices: Array) -> list[list[float]]:
    if matrices.ndim == 2:
        matrices = matrices[None]
    if matrices.ndim != 3 or matrices.shape[1:] not in ((3, 4), (4, 4)) or not len(matrices):
        raise UsageError(
            f"{path} holds an array of shape {matrices.shape}; cameras are n × 3 × 4 or n × 4 × 4."
        )
    rotation = matrices[:, :3, :3]
    errors = np.abs(rotation.transpose(0, 2, 1) @ rotation - np.eye(3)).max(axis=(1, 2))
    bad = ~((errors < TOLERANCE) & (np.linalg.det(rotation) > 0) & _finite(matrices))
    if bad.any():
        raise UsageError(
            f"{path}: the matrix of camera {int(bad.argmax())} is no rotation; "
            "poses are camera-to-world, [R | eye]."
        )
    return [[float(x) for x in pose] for pose in matrices[:, :3].reshape(-1, 12)]


def _finite(matrices: Array) -> Any:
    return np.isfinite(matrices).all(axis=(1, 2))
