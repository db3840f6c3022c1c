"""What the readers of camera files share: bounded reading, checked poses, fitted intrinsics."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graf_cli.arrays import MAX_BYTES, Array
from graf_cli.errors import UsageError
from graf_cli.scene.intrinsics import Intrinsics, same_shape

TOLERANCE = 1e-3  # of a rotation's columns from unit length and right angles
BOTTOM = (0.0, 0.0, 0.0, 1.0)  # row of a 4 × 4 matrix; another one means that it is transposed
MOST = 1_000_000  # cameras, as many as a recipe has frames; told before a minute's work on them
LARGEST = 1e6  # pixels of a side, and of a focal length in units of a side

Size = tuple[int, int]
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Poses:
    """Cameras of a file.

    Attributes
    ----------
    rows : list of 12 floats
        Camera-to-world matrices of shape 3 × 4, row by row; OpenGL axes, z up.
    fov : float or None
        Across the width, in degrees, when that is all that the file says of the lens.
    size : (int, int) or None
        Width and height: those asked for, else the file's.
    intrinsics : list of (fx, fy, cx, cy)
        One for all poses, one a pose, or none; in pixels of `size`, in the release's convention.
    fps : float or None
        Frames a second, when the file says so.
    """

    rows: Sequence[Sequence[float]]
    fov: float | None = None
    size: Size | None = None
    intrinsics: Sequence[Intrinsics] = ()
    fps: float | None = None


def read_json(path: Path) -> Json:
    """The object in a JSON file.

    Raises
    ------
    UsageError
    """
    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(MAX_BYTES))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; name a file.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise UsageError(
            f"{path} is not a transforms.json, and no camera_path.json: it is not an object."
        )
    return document


def number(where: str, document: Json, key: str, *, signed: bool = False) -> float | None:
    """A positive number, or any finite one when `signed`; None where there is none.

    Raises
    ------
    UsageError
        Naming the key.
    """
    value = document.get(key)
    if value is None:
        return None
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not (-LARGEST if signed else 0) < value < LARGEST:
        kind = "a number of this size" if signed else "a positive number"
        raise UsageError(f"{where}: `{key}` is {str(value)[:40]}, not {kind}.")
    return float(value)


def side(where: str, document: Json, key: str) -> int | None:
    """A whole number of pixels.

    Raises
    ------
    UsageError
    """
    value = number(where, document, key)
    if value is not None and value != int(value):
        raise UsageError(f"{where}: `{key}` is {value:g}, not a whole number of pixels.")
    return None if value is None else int(value)


def check_rows(path: Path, matrices: Array) -> list[list[float]]:
    """Matrices as rows of 12 numbers.

    Raises
    ------
    UsageError
        When they have another shape, or one is not a rotation.
    """
    if matrices.ndim == 2:
        matrices = matrices[None]
    if matrices.size == 0:
        raise UsageError(f"{path} holds no cameras; name a file with one or more.")
    if matrices.ndim != 3 or matrices.shape[1:] not in ((3, 4), (4, 4)):
        raise UsageError(
            f"{path} holds an array of shape {matrices.shape}; cameras are n × 3 × 4, n × 4 × 4, "
            "n × 17 as LLFF writes them, or n × 25."
        )
    if len(matrices) > MOST:
        raise UsageError(f"{path} holds {len(matrices):,} cameras; split it into {MOST:,} each.")
    rotation = matrices[:, :3, :3]
    with np.errstate(invalid="ignore", over="ignore"):  # what comes of such numbers is refused
        errors = np.abs(rotation.transpose(0, 2, 1) @ rotation - np.eye(3)).max(axis=(1, 2))
        bad = ~((errors < TOLERANCE) & (np.linalg.det(rotation) > 0) & _finite(matrices))
    if bad.any():
        raise UsageError(
            f"{path}: the matrix of camera {int(bad.argmax())} is not a rotation; "
            "poses are camera-to-world, [R | eye]."
        )
    bad = (np.abs(matrices[:, 3:] - BOTTOM) > TOLERANCE).any(axis=(1, 2))
    if bad.any():
        raise UsageError(
            f"{path}: the last row of camera {int(bad.argmax())} is not 0 0 0 1; "
            "matrices are written row by row."
        )
    return [[float(x) for x in pose] for pose in matrices[:, :3].reshape(-1, 12)]


def _finite(matrices: Array) -> Any:
    return np.isfinite(matrices).all(axis=(1, 2))


def fitted(
    path: Path,
    rows: Sequence[Sequence[float]],
    lenses: Sequence[Intrinsics],
    sizes: Sequence[Size],
    asked: Size | None,
    *,
    middle: bool = False,
    fps: float | None = None,
) -> Poses:
    """Cameras with their intrinsics in pixels of one size.

    Parameters
    ----------
    lenses, sizes : sequence
        One a row; each lens in pixels of its own size.
    asked : (int, int) or None
        The size that is wanted; None is the file's.
    middle : bool
        Whether the file only means "the middle" by its principal points, in whatever size.

    Raises
    ------
    UsageError
        When the cameras' sizes differ and none is asked for, or have other proportions.
    """
    kinds = sorted(set(sizes))
    if asked is None and len(kinds) > 1:
        (a, b), (c, d) = kinds[0], kinds[-1]
        raise UsageError(
            f"{path} holds pictures of different sizes, from {a}x{b} to {c}x{d}; "
            "a job has one, so give ⟨size⟩."
        )
    to = asked or kinds[0]
    for w, h in kinds:
        if not same_shape((w, h), to):
            raise UsageError(
                f"{path} is of {w}x{h} pictures, and ⟨size⟩ {to[0]}x{to[1]} has other "
                "proportions; give a size that scales, or ⟨fov⟩."
            )
    scaled = []
    for lens, size in zip(lenses, sizes, strict=True):
        new = lens if size == to else lens.scaled(size, to)
        scaled.append(new._replace(cx=to[0] / 2, cy=to[1] / 2) if middle else new)
    if not all(math.isfinite(x) for lens in scaled for x in lens):
        raise UsageError(f"{path}: its focal lengths are too large to be used.")
    plain = {lens.plain_fov(*to) for lens in scaled}
    if len(plain) == 1 and None not in plain:  # one field of view says it all, to the last bit
        return Poses(rows, plain.pop(), to, (), fps)
    shared = len(set(scaled)) == 1
    return Poses(rows, None, to, scaled[:1] if shared else scaled, fps)
