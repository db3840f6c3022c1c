"""`transforms.json`, as the release of NeRF, instant-ngp and nerfstudio write it.

The lens stands at the top of the file, in its frames, or in both; a frame's own word counts more.
A pixel's centre is at (i + 0.5, j + 0.5) there, so that `cx` and `cy` are half a pixel more than
ours. A file without `cx` and `cy` (the first form, of NeRF's synthetic scenes) means the middle,
with rays through integer coordinates, as ours.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from graf_cli.errors import UsageError
from graf_cli.scene.files import Json, Poses, Size, check_rows, fitted, number, side
from graf_cli.scene.intrinsics import HALF, Intrinsics

log = logging.getLogger("graf")

PINHOLES = {
    "pinhole", "simple_pinhole", "perspective", "opencv", "full_opencv", "radial", "simple_radial",
}  # fmt: skip
# Lens models that are a pinhole when their coefficients are 0 are in `PINHOLES` for that reason.
DISTORTION = re.compile(
    r"k[1-9]|p[1-9]|s[1-4]|ftheta_.*|distortion.*|rolling_shutter|fisheye_crop_radius|sk_[xy]"
)
OTHERS = {
    "is_fisheye", "orthographic", "latlong", "equirectangular", "intrinsic_matrix",
    "from_na", "from_mitsuba", "shift_x", "shift_y",
}  # fmt: skip
IN_PIXELS = ("fl_x", "fl_y", "cx", "cy")
LENS = (*IN_PIXELS, "w", "h", "camera_angle_x", "camera_angle_y")
# What was done to the poses before they were written, or is to be done to a scene that is trained
# on them. The matrices stand for themselves; docs/formats.md says so.
ACCOUNTED = {
    "frames", "camera_model", "transform_matrix", "file_path", "depth_file_path", "graf",
    "opacity_file_path", "mask_path", "near", "far", "colmap_im_id", "sharpness", "rotation",
    "applied_transform", "applied_scale", "ply_file_path",
}  # fmt: skip
DISAGREE = 0.01  # relative; angles are often written with few digits


def from_transforms(path: Path, document: Json, asked: Size | None) -> Poses:
    """Cameras of a transforms.json, `fitted` to a size.

    Raises
    ------
    UsageError
        When it is none, or a frame is not a pinhole; the key is named.
    """
    frames = document.get("frames")
    try:
        assert isinstance(frames, list)
        matrices = np.array([frame["transform_matrix"] for frame in frames], dtype=np.float64)
    except (AssertionError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"{path} is not a transforms.json: its `frames` need a `transform_matrix` each."
        ) from error
    rows = check_rows(path, matrices)
    _refuse(str(path), document)
    for k, frame in enumerate(frames):
        _refuse(f"{path}, frame {k}", frame)
    _tell_unused(path, [document, *frames])
    plain = _plain(path, document, frames, asked)
    if plain is not None:
        return Poses(rows, *plain)
    found = [_lens(f"{path}, frame {k}", document, frame, asked) for k, frame in enumerate(frames)]
    return fitted(path, rows, [lens for lens, _ in found], [size for _, size in found], asked)


def _refuse(where: str, said: Json) -> None:
    model = said.get("camera_model", "PINHOLE")
    if not isinstance(model, str) or model.lower() not in PINHOLES:
        raise UsageError(
            f"{where}: `camera_model` is {str(model)[:40]}, and only pinholes can be drawn; "
            "undistort the cameras first."
        )
    for key, value in said.items():
        if (key in OTHERS or DISTORTION.fullmatch(key)) and not _nothing(value):
            raise UsageError(
                f"{where}: `{key}` is {str(value)[:40]}, which a pinhole does not have; "
                "undistort the cameras first, or take the key out."
            )


def _nothing(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_nothing, value))
    return value is None or value is False or (isinstance(value, int | float) and value == 0)


def _tell_unused(path: Path, said: Sequence[Json]) -> None:
    known = ACCOUNTED.union(LENS)
    keys = sorted({k for part in said for k in part if k not in known and not DISTORTION.match(k)})
    if keys:
        log.info("%s: not used: %s.", path, ", ".join(key[:40] for key in keys[:20]))


def _plain(
    path: Path, document: Json, frames: Sequence[Json], asked: Size | None
) -> tuple[float | None, Size | None] | None:
    """Field of view and size of a file that says no more than these, once for all frames."""
    own = any(frame.get(key) is not None for frame in frames for key in LENS)
    if own or any(document.get(key) is not None for key in ("cx", "cy", "fl_y", "camera_angle_y")):
        return None
    where = str(path)
    width, height = (side(where, document, key) for key in ("w", "h"))
    angle, focal = (number(where, document, key) for key in ("camera_angle_x", "fl_x"))
    _check_angle(where, angle, focal, width, "x")
    if focal and width:
        angle = 2 * math.atan(width / 2 / focal)
    elif focal and not angle:
        raise UsageError(f"{path}: `fl_x` is in pixels of a width, and there is no `w`; add it.")
    size = asked or ((width, height) if width and height else None)
    return (math.degrees(angle) if angle else None), size


def _check_angle(
    where: str, angle: float | None, focal: float | None, across: int | None, axis: str
) -> None:
    if angle is not None and angle >= math.pi:
        raise UsageError(f"{where}: `camera_angle_{axis}` is {angle:g}, not below π radians.")
    if angle and focal and across:
        told = across / 2 / math.tan(angle / 2)
        if abs(told - focal) > DISAGREE * focal:
            raise UsageError(
                f"{where}: `fl_{axis}` is {focal:g}, but `camera_angle_{axis}` means {told:.6g}; "
                "take the wrong one out."
            )


def _lens(where: str, document: Json, frame: Json, asked: Size | None) -> tuple[Intrinsics, Size]:
    """The lens of one frame, and the size in whose pixels it is.

    Angles alone are in nobody's pixels, and mean the same in those of the size that is asked for.
    """
    said = {**document, **{key: frame[key] for key in LENS if frame.get(key) is not None}}
    for axis in "xy":  # a frame's own angle replaces the file's focal length
        if frame.get(f"camera_angle_{axis}") is not None and frame.get(f"fl_{axis}") is None:
            said.pop(f"fl_{axis}", None)
        elif frame.get(f"fl_{axis}") is not None and frame.get(f"camera_angle_{axis}") is None:
            said.pop(f"camera_angle_{axis}", None)
    width, height = (side(where, said, key) for key in ("w", "h"))
    if width is None or height is None:
        pixels = [key for key in IN_PIXELS if said.get(key) is not None]
        if pixels:
            raise UsageError(
                f"{where}: `{pixels[0]}` is in pixels, and `w` or `h` is not there; add it."
            )
        if asked is None:
            raise UsageError(f"{where}: there is no `w` and `h`; add them, or give ⟨size⟩.")
        width, height = asked
    focal = {"x": _focal(where, said, "x", width), "y": _focal(where, said, "y", height)}
    fx, fy = focal["x"] or focal["y"], focal["y"] or focal["x"]
    if fx is None or fy is None:
        raise UsageError(f"{where}: neither `fl_x` nor `camera_angle_x` is there; add one.")
    cx, cy = (number(where, said, key, signed=True) for key in ("cx", "cy"))
    lens = Intrinsics(
        fx, fy, width / 2 if cx is None else cx - HALF, height / 2 if cy is None else cy - HALF
    )
    return lens, (width, height)


def _focal(where: str, said: Json, axis: str, across: int) -> float | None:
    focal, angle = number(where, said, f"fl_{axis}"), number(where, said, f"camera_angle_{axis}")
    _check_angle(where, angle, focal, across, axis)
    return focal or (across / 2 / math.tan(angle / 2) if angle else None)
