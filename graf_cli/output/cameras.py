"""Cameras as other programs read them: `transforms.json` and `camera_path.json`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from graf_cli.errors import OutputError, UsageError
from graf_cli.output.formats import Target
from graf_cli.output.store.atomic import beside, make_folder
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import Shot
from graf_cli.scene.camera import Camera
from graf_cli.scene.intrinsics import HALF

PINHOLE = "PINHOLE"
CAMERA_PATH = "camera_path.json"  # the name, or the end of it, that asks for that form
RECIPE = "recipe.json"  # of a folder of pictures
BOTTOM = [0.0, 0.0, 0.0, 1.0]


def check_cameras(path: Path, **inputs: Path | None) -> None:
    """Refuse a name for a file of cameras before any work is done.

    Parameters
    ----------
    path : Path
    **inputs : Path, optional
        What the job reads, by argument.

    Raises
    ------
    UsageError
        When it is not a name of JSON, or that of a file which the job reads or keeps.
    """
    if path.suffix.lower() != ".json":
        raise UsageError(f"⟨save_cameras⟩ {path}: cameras are written as JSON; end it in .json.")
    if path.name.lower() == RECIPE:
        raise UsageError(
            f"⟨save_cameras⟩ {path}: folders of pictures keep their recipe by this name; "
            "name another."
        )
    for argument, source in inputs.items():
        if source is not None and source.resolve() == path.resolve():
            raise UsageError(f"⟨save_cameras⟩ {path} is what ⟨{argument}⟩ reads; name another.")


def cameras_of(path: Path, recipe: Recipe, shots: Sequence[Shot], target: Target) -> bytes:
    """The cameras of a job, in the form that the file's name asks for.

    `camera_path.json`, and names that end in `.camera_path.json` or `_camera_path.json`, are the
    camera path of nerfstudio's viewer; all others are its transforms.json.

    Raises
    ------
    UsageError
        When the form cannot say what the cameras are.
    """
    cameras = [shot.camera for shot in shots]
    if cameras[0].orthographic:
        raise UsageError(
            f"⟨save_cameras⟩ {path}: {recipe.model.name} has parallel rays, "
            "which the file cannot tell; leave it out."
        )
    if is_path(path):
        document = camera_path(cameras, recipe.fps)
    else:
        document = transforms(cameras, _names(path, target))
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def save_cameras(path: Path, data: bytes, *, clobber: bool) -> Path:
    """Write a file of cameras, whole or not at all; the same one that is there already stays.

    So the shards of a job make it once, whichever of them comes first.

    Raises
    ------
    OutputError
        When it cannot be written, or another file of the name is to be kept.
    """
    if not is_there(path, data, clobber=clobber):
        with _explained(path):
            make_folder(path.parent)
            with beside(path) as temporary:
                temporary.write_bytes(data)
    return path


def is_there(path: Path, data: bytes, *, clobber: bool) -> bool:
    """Whether the very file is there already.

    Raises
    ------
    OutputError
        When something else of its name is there that is to be kept.
    """
    with _explained(path):
        if path.is_dir():
            raise OutputError(f"⟨save_cameras⟩ {path} is a folder; name a file.")
        if not path.exists():
            return False
        if path.stat().st_size == len(data) and path.read_bytes() == data:
            return True
    if not clobber:
        raise OutputError(
            f"⟨save_cameras⟩ {path} is already there and ⟨no clobber⟩ keeps it; name another."
        )
    return False


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"⟨save_cameras⟩ {path} cannot be written: {error.strerror or error}; name another."
        ) from error


def _names(path: Path, target: Target) -> Callable[[int], str]:
    """What each picture is called, seen from the file; made up where there are no such files."""
    if target.path is None or target.pattern is None:
        return "{:06d}.png".format
    folder, pattern = Path(os.path.relpath(target.path, path.parent)), target.pattern
    return lambda k: (folder / (pattern % k)).as_posix()


def is_path(path: Path) -> bool:
    """Whether a file of this name holds a camera path."""
    name = path.name.lower()
    return name == CAMERA_PATH or name.endswith((f".{CAMERA_PATH}", f"_{CAMERA_PATH}"))


def transforms(cameras: Sequence[Camera], name: Callable[[int], str]) -> dict[str, Any]:
    """In nerfstudio's data format; `name` tells what the picture of a camera is called."""
    shared, own = lenses(cameras)
    frames = [
        {"file_path": name(k), **extra, **extrinsics(camera)}
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
        if abs(fx - fy) > 1e-9 * fx or not (_near(cx, camera.width) and _near(cy, camera.height)):
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


def _near(centre: float, side: int) -> bool:
    """Whether a principal point is the form's middle, (W − 1) / 2 of ours, or ours, W / 2."""
    return side / 2 - HALF - 1e-9 <= centre <= side / 2 + 1e-9


def lenses(cameras: Sequence[Camera]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all cameras share, and what each has of its own, of `intrinsics`."""
    told = [intrinsics(camera) for camera in cameras]
    shared = {key: value for key, value in told[0].items() if all(t[key] == value for t in told)}
    return shared, [{key: t[key] for key in t if key not in shared} for t in told]


def intrinsics(camera: Camera) -> dict[str, Any]:
    """Rays pass through integer coordinates, which lie half a pixel before pixels' centres."""
    fx, fy, cx, cy = camera.lens
    # Where the field of view ends at the outermost centres, that of the whole picture is wider.
    from_edge = camera.pixels != "corner"
    across = math.radians(camera.fov) if from_edge else 2 * math.atan(camera.width / 2 / fx)
    return {
        "camera_model": PINHOLE,
        "fl_x": fx,
        "fl_y": fy,
        "cx": cx + HALF,
        "cy": cy + HALF,
        "w": camera.width,
        "h": camera.height,
        "camera_angle_x": across,
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
