"""Cameras from files: NumPy arrays, labels, LLFF's poses_bounds, and three kinds of JSON."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import numpy as np

from graf_cli.arrays import Array, read_arrays
from graf_cli.errors import UsageError
from graf_cli.scene.camera_path import from_camera_path
from graf_cli.scene.files import Poses, Size, check_rows, fitted, read_json
from graf_cli.scene.intrinsics import Intrinsics
from graf_cli.scene.labels import KEY, NUMBERS, from_document, from_labels
from graf_cli.scene.llff import placed
from graf_cli.scene.transforms import from_transforms

__all__ = ["Poses", "read_poses"]

log = logging.getLogger("graf")

LLFF_NUMBERS = 17  # of a row: 3 × 5, and the bounds
LlffFrame = Literal["as stored", "recentred", "spherified"]


def read_poses(
    path: Path,
    size: Size | None = None,
    llff: LlffFrame = "as stored",
    usual: Size | None = None,
) -> Poses:
    """Read cameras.

    Parameters
    ----------
    path : Path
        ``.npy`` or ``.npz`` (`poses`, or its only array) of shape n × 3 × 4, n × 4 × 4, n × 17 as
        LLFF writes it, or n × 25, see `graf_cli.scene.labels`; or a ``.json``: nerfstudio's
        transforms.json or camera_path.json, or a data set's dataset.json of labels.
    size : (int, int), optional
        Width and height that are wanted; intrinsics are scaled to it.
    llff : str
        Frame of the model that the cameras of an LLFF file are taken into; see
        `graf_cli.scene.llff`.
    usual : (int, int), optional
        The model's, for labels, which do not say one.

    Raises
    ------
    UsageError
        When the file holds anything else, a matrix that is not a rotation, or a camera that is no
        pinhole.
    """
    if path.suffix.lower() == ".json":
        document = read_json(path)
        if KEY in document:
            return from_document(path, document, size or usual)
        read = from_camera_path if "camera_path" in document else from_transforms
        return read(path, document, size)
    arrays = read_arrays(path)
    if "poses" not in arrays and len(arrays) != 1:
        raise UsageError(f"{path} holds the arrays {sorted(arrays)}; name the cameras `poses`.")
    matrices = arrays["poses"] if "poses" in arrays else next(iter(arrays.values()))
    if matrices.shape[-1:] == (NUMBERS,):
        return from_labels(path, matrices, size or usual)
    if matrices.ndim == 2 and matrices.shape[1] == LLFF_NUMBERS:
        return _from_llff(path, matrices, size, llff)
    return Poses(check_rows(path, matrices))


def _from_llff(path: Path, table: Array, asked: Size | None, frame: LlffFrame) -> Poses:
    """Rows of 3 × 5, ``[R | eye | (h, w, f)]``, and two bounds.

    The columns of R are down, right and backwards. Rays pass through integer coordinates and the
    principal point is the middle, as in the release of NeRF and in ours.
    """
    blocks = table[:, :15].reshape(-1, 3, 5)
    down, right, back, eye = (blocks[:, :, k] for k in range(4))
    poses = Poses(check_rows(path, np.stack([right, -down, back, eye], axis=2)))
    lenses, sizes = [], []
    for k, (h, w, f) in enumerate(blocks[:, :, 4].tolist()):
        if not (0 < h < 1e6 and 0 < w < 1e6 and 0 < f < 1e9 and h == int(h) and w == int(w)):
            raise UsageError(
                f"{path}: row {k} says height {h:g}, width {w:g} and focal length {f:g}; "
                "the sides are whole numbers of pixels, and all are above 0."
            )
        lenses.append(Intrinsics(f, f, w / 2, h / 2))
        sizes.append((int(w), int(h)))
    if frame != "as stored":
        if not table[:, 15].min() > 0:
            raise UsageError(f"{path} has a near bound of 0 or less; depths are above 0.")
        rows = placed(table, frame).poses
        return fitted(path, check_rows(path, rows), lenses, sizes, asked, middle=True)
    log.warning(
        "%s: its near and far bounds (%.4g to %.4g) are not used; a model samples its own depths.",
        path, table[:, 15].min(), table[:, 16].max(),
    )  # fmt: skip
    return fitted(path, poses.rows, lenses, sizes, asked, middle=True)
