"""`camera_path.json`, which nerfstudio's viewer saves: the cameras of a video.

Rays go through the centres of pixels, (i + 0.5, j + 0.5), and the principal point is (W / 2, H / 2)
there, which is half a pixel less in our convention. Pixels are square; `fov` is across the height.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np

from graf_cli.errors import UsageError
from graf_cli.scene.files import Json, Poses, Size, check_rows, fitted, number, side
from graf_cli.scene.intrinsics import HALF, Intrinsics

log = logging.getLogger("graf")

SAME = 1e-6  # relative; between a focal length and the field of view that says it
USED = {
    "camera_path", "camera_type", "render_width", "render_height", "fps", "seconds", "crop",
    "camera_to_world", "fov", "aspect", "graf",
}  # fmt: skip


def from_camera_path(path: Path, document: Json, asked: Size | None) -> Poses:
    """Cameras of a camera_path.json, with size and frames a second.

    Raises
    ------
    UsageError
        When it is none, or a camera is not a pinhole; the key is named.
    """
    entries = document["camera_path"]
    try:
        assert isinstance(entries, list)
        matrices = np.array(
            [np.reshape(entry["camera_to_world"], (4, 4)) for entry in entries], dtype=np.float64
        )
    except (AssertionError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"{path} is not a camera_path.json: its `camera_path` needs entries with a "
            "`camera_to_world` of 16 numbers each."
        ) from error
    rows = check_rows(path, matrices)
    width, height = (side(str(path), document, f"render_{key}") for key in ("width", "height"))
    if width is None or height is None:
        raise UsageError(f"{path}: `render_width` and `render_height` are not there; add them.")
    _refuse(str(path), document)
    lenses = [_lens(f"{path}, camera {k}", entry, width, height) for k, entry in enumerate(entries)]
    _tell(path, document, width / height)
    size = (width, height)
    fps = _fps(path, document, len(entries))
    return fitted(path, rows, lenses, [size] * len(rows), asked, fps=fps)


def _refuse(where: str, said: Json) -> None:
    kind = said.get("camera_type")
    if kind is not None and str(kind).lower() != "perspective":
        raise UsageError(
            f"{where}: `camera_type` is {str(kind)[:40]}, and only perspective can be drawn."
        )
    if said.get("crop") is not None:
        raise UsageError(f"{where}: `crop` cuts the scene, which is not done here; take it out.")


def _lens(where: str, entry: Json, width: int, height: int) -> Intrinsics:
    _refuse(where, entry)
    fov = number(where, entry, "fov")
    if fov is None or fov >= 180:
        raise UsageError(f"{where}: `fov` is {fov}, not an angle in degrees between 0 and 180.")
    focal = height / 2 / math.tan(math.radians(fov) / 2)
    exact = entry.get("graf")
    if exact is None:
        return Intrinsics(focal, focal, width / 2 - HALF, height / 2 - HALF)
    if not isinstance(exact, dict):
        raise UsageError(f"{where}: `graf` is not an object; take it out.")
    fx, fy = (number(where, exact, key) for key in ("fl_x", "fl_y"))
    cx, cy = (number(where, exact, key, signed=True) for key in ("cx", "cy"))
    if fx is None or fy is None or cx is None or cy is None:
        raise UsageError(f"{where}: `graf` lacks one of fl_x, fl_y, cx, cy; take it out.")
    if abs(fy - focal) > SAME * focal:
        raise UsageError(
            f"{where}: `graf` has the focal length {fy:g}, but `fov` means {focal:g}; "
            "take `graf` out where `fov` was changed."
        )
    return Intrinsics(fx, fy, cx - HALF, cy - HALF)


def _tell(path: Path, document: Json, proportion: float) -> None:
    """What is in the file and has no effect."""
    entries = document["camera_path"]
    aspects = (number(str(path), entry, "aspect") for entry in entries)
    strange = [aspect for aspect in aspects if aspect and abs(aspect - proportion) > 0.01]
    if strange:
        log.warning(
            "%s: `aspect` is %.4g for pictures of %.4g; it is not used, since pixels are square.",
            path, strange[0], proportion,
        )  # fmt: skip
    unused = {*(document.keys() - USED), *(key for entry in entries for key in entry.keys() - USED)}
    keys = sorted(str(key)[:40] for key in unused)
    if keys:
        log.info("%s: not used: %s.", path, ", ".join(keys[:20]))


def _fps(path: Path, document: Json, frames: int) -> float | None:
    """Frames a second; each entry of the path is one frame, whatever `seconds` says."""
    fps, seconds = (number(str(path), document, key) for key in ("fps", "seconds"))
    if fps and seconds and abs(fps * seconds - frames) > 1:
        log.warning(
            "%s: %d cameras at `fps` %g are not the `seconds` %g; each camera is a frame.",
            path, frames, fps, seconds,
        )  # fmt: skip
    return fps or (frames / seconds if seconds else None)
