"""Cameras as other programs read them: `transforms.json` and `camera_path.json`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from graf_cli.errors import UsageError
from graf_cli.output.store.atomic import beside, explained
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import Shot
from graf_cli.scene.camera import Camera
from graf_cli.scene.intrinsics import HALF

PINHOLE = "PINHOLE"
CAMERA_PATH = "camera_path.json"  # the name, or the end of it, that asks for that form
BOTTOM = [0.0, 0.0, 0.0, 1.0]


def save_cameras(path: Path, recipe: Recipe, shots: Sequence[Shot], *, clobber: bool) -> None:
    """Write the cameras of a job, in the form that the file's name asks for.

    `camera_path.json`, and names that end in `.camera_path.json` or `_camera_path.json`, are the
    camera path of nerfstudio's viewer; all others are its transforms.json.

    Raises
    ------
    UsageError
        When the form cannot say what the cameras are, or the file is there and is to be kept.
    """
    if path.suffix.lower() != ".json":
        raise UsageError(f"⟨save_cameras⟩ {path}: cameras are written as JSON; end it in .json.")
    if not clobber and path.exists():
        raise UsageError(f"{path} is there already; name another, or leave out ⟨no clobber⟩.")
    cameras = [shot.camera for shot in shots]
    if cameras[0].orthographic:
        raise UsageError(f"⟨save_cameras⟩ {path}: {recipe.model.name} has parallel rays, "
                         "which the file cannot tell.")  # fmt: skip
    document = camera_path(cameras, recipe.fps) if is_path(path) else transforms(cameras)
    with explained(path), beside(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def is_path(path: Path) -> bool:
    """Whether a file of this name holds a camera path."""
    name = path.name.lower()
    return name == CAMERA_PATH or name.endswith((f".{CAMERA_PATH}", f"_{CAMERA_PATH}"))


def transforms(cameras: Sequence[Camera]) -> dict[str, Any]:
    """In nerfstudio's data format, without names of pictures."""
    shared, own = lenses(cameras)
    frames = [
        {"file_path": f"{k:06d}.png", **extra, **extrinsics(camera)}
        for k, (camera, extra) in enumerate(zip(cameras, own, strict=True))
    ]
    return {**shared, "frames": frames}


def camera_path(cameras: Sequence[Camera], fps: float) -> dict[str, Any]:
    """As nerfstudio's viewer saves it.

    The form's principal point is half a pixel before ours, and cannot be said in it: `graf` in
    each camera says the lens exactly, for our own reader, and others draw half a pixel beside.

    Raises
    ------
    UsageError
        When a camera is off its middle, or its pixels are not square.
    """
    entries = []
    for k, camera in enumerate(cameras):
        fx, fy, cx, cy = camera.lens
        beside_it = max(abs(cx - camera.width / 2), abs(cy - camera.height / 2))
        if abs(fx - fy) > 1e-9 * fx or beside_it > HALF + 1e-9:
            raise UsageError(
                f"Camera {k} is off its middle or has pixels that are not square, which a camera "
                "path cannot say; save a transforms.json."
            )
        entries.append(
            {
                "camera_to_world": [*camera.pose.ravel().tolist(), *BOTTOM],
                "fov": math.degrees(2 * math.atan(camera.height / 2 / fy)),
                "aspect": camera.width / camera.height,
                "graf": {"fl_x": fx, "fl_y": fy, "cx": cx + HALF, "cy": cy + HALF},
            }
        )
    return {
        "camera_type": "perspective",
        "render_width": cameras[0].width,
        "render_height": cameras[0].height,
        "fps": fps,
        "seconds": len(entries) / fps,
        "is_cycle": False,
        "smoothness_value": 0,
        "keyframes": [],
        "crop": None,
        "camera_path": entries,
    }


def lenses(cameras: Sequence[Camera]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all cameras share, and what each has of its own, of `intrinsics`."""
    told = [intrinsics(camera) for camera in cameras]
    shared = {key: value for key, value in told[0].items() if all(t[key] == value for t in told)}
    return shared, [{key: t[key] for key in t if key not in shared} for t in told]


def intrinsics(camera: Camera) -> dict[str, Any]:
    """Rays pass through integer coordinates, which lie half a pixel before pixels' centres."""
    fx, fy, cx, cy = camera.lens
    return {
        "camera_model": PINHOLE,
        "fl_x": fx,
        "fl_y": fy,
        "cx": cx + HALF,
        "cy": cy + HALF,
        "w": camera.width,
        "h": camera.height,
        "camera_angle_x": math.radians(camera.fov),
        "camera_angle_y": 2 * math.atan(camera.height / 2 / fy),
    }


def extrinsics(camera: Camera) -> dict[str, Any]:
    """Where a camera is, and the depths between which it samples."""
    shift = 0.0
    if camera.radius_max is not None:
        shift = float(np.linalg.norm(camera.eye)) - camera.radius_max
    return {
        "transform_matrix": [*camera.pose.tolist(), BOTTOM],
        "near": camera.near + shift,
        "far": camera.far + shift,
    }
