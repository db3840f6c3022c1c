"""What a data set says of its cameras and objects: `transforms.json`, and the JSON of one view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from graf_cli.output.cameras import extrinsics, intrinsics, lenses
from graf_cli.output.dataset.layout import DEPTH, IMAGES, MASKS, OPACITY, Layout
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import Shot
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import drawn_seed
from graf_cli.scene.labels import label_of, lens_of
from graf_cli.scene.placed import OrientedBox, rectangle, seen_by

CONVENTION = {
    "axes": "transform_matrix is camera to world; a camera's axes follow OpenGL: x right, y up, "
    "looking along -z; the world's z axis points up, and the object sits at the origin",
    "pixels": "pixel (i, j), counted from 0 to the right and down, has its centre at "
    "(i + 0.5, j + 0.5), and is seen along ((i + 0.5 - cx) / fl_x, -(j + 0.5 - cy) / fl_y, -1)",
    "units": "world units of the model, which are no metres",
    "depth": "along the optical axis, depth_unit_scale_factor world units a step; "
    "0 where opacity is below one half",
    "opacity": "0 is clear, 255 opaque",
}
SCENE = "the object sits at the origin", "the middle of the scene is the origin"
BOXES = {
    "pose": "from the box of an object to the world; it turns and moves, and does not scale",
    "pose_in_camera": "from the box of an object to the camera's axes, as pose",
    "size": "sides of the box along its own axes, world units; nothing of the object is outside",
    "corners": "of the box in the world, z changing fastest and x slowest",
    "box": "left, top, right, bottom of the projected box, hidden parts included, in pixels from "
    "the upper left corner of the picture, cut off at its border; null where it is not in it",
    "masks": "8 bit: number and 1 of the object that is most of a pixel of which objects are at "
    "least half, less what stands before them; 0 for none",
}


def convention(*, several: bool) -> dict[str, str]:
    """What numbers mean, of scenes of one object or of several."""
    if not several:
        return CONVENTION
    return {**CONVENTION, "axes": CONVENTION["axes"].replace(*SCENE)}


def transforms(layout: Layout, shots: Sequence[Shot], item: int, *, several: bool = False) -> bytes:
    """The cameras of one object in nerfstudio's format, and in `graf` what they mean."""
    plan = layout.plan
    cameras = [shots[k].camera for k in layout.pictures(item)]
    controls = shots[layout.pictures(item)[0]].subject.controls
    shared, own = lenses(cameras)
    frames = [_frame(layout, view, own[view], camera) for view, camera in enumerate(cameras)]
    about = {
        "object": item,
        "split": layout.splits[item],
        "seed": drawn_seed(plan.seed, item),
        "synthetic": True,
        "depth_unit_scale_factor": plan.depth_unit,
        **({"controls": dict(controls)} if controls else {}),
        **convention(several=several),
    }
    document = {**shared, "frames": frames, "graf": about}
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _frame(layout: Layout, view: int, lens: dict[str, Any], camera: Camera) -> dict[str, Any]:
    name = f"{layout.view(view)}.png"
    beside = {"depth_file_path": f"{DEPTH}/{name}", "opacity_file_path": f"{OPACITY}/{name}"}
    return {
        "file_path": f"{IMAGES}/{name}",
        **({} if layout.plan.labels else beside),
        **lens,
        **extrinsics(camera),
    }


def labels(layout: Layout, shots: Sequence[Shot], split: str) -> bytes:
    """A name and a label for each image of a split; see `graf_cli.scene.labels`."""
    found = []
    for item, of in enumerate(layout.splits):
        for view, k in enumerate(layout.pictures(item)) if of == split else ():
            camera = shots[k].camera
            lens = lens_of(camera.lens, (camera.width, camera.height))
            name = f"{layout.item(item)}/{IMAGES}/{layout.view(view)}.png"
            found.append([name, label_of(camera.pose, lens).tolist()])
    return msgspec.json.encode({"labels": found}) + b"\n"


def sample(layout: Layout, recipe: Recipe, k: int, shot: Shot, *, several: bool = False) -> bytes:
    """All that one view has to be known by, where it travels alone."""
    item, view = layout.place(k)
    document = {
        "object": item,
        "view": view,
        "split": layout.splits[item],
        "seed": drawn_seed(layout.plan.seed, item),
        "truncation": layout.plan.truncation,
        "model": recipe.model.name,
        "synthetic": True,
        **intrinsics(shot.camera),
        **extrinsics(shot.camera),
        "depth_unit_scale_factor": layout.plan.depth_unit,
        **({"controls": dict(shot.subject.controls)} if shot.subject.controls else {}),
        **{f"latent_{name}": len(code.start) for name, code in shot.subject.codes.items()},
        **convention(several=several),
    }
    return msgspec.json.encode(document)


def placed_objects(
    layout: Layout, shots: Sequence[Shot], item: int, placed: Sequence[OrientedBox]
) -> bytes:
    """The objects of one scene: where they are in the world, and in each view."""
    views = []
    for view, k in enumerate(layout.pictures(item)):
        name, camera = f"{layout.view(view)}.png", shots[k].camera
        views.append(
            {
                "file_path": f"{IMAGES}/{name}",
                "mask_file_path": f"{MASKS}/{name}",
                "objects": [_in_view(camera, one) for one in placed if one.exists],
            }
        )
    document = {
        "scene": item,
        "split": layout.splits[item],
        "seed": drawn_seed(layout.plan.seed, item),
        "synthetic": True,
        "objects": [_in_world(one) for one in placed],
        "views": views,
        "graf": {**convention(several=True), **BOXES},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def placed_in_view(layout: Layout, k: int, shot: Shot, placed: Sequence[OrientedBox]) -> bytes:
    """The objects of one view, where it travels alone."""
    item, view = layout.place(k)
    found = [_in_world(one) | (_in_view(shot.camera, one) if one.exists else {}) for one in placed]
    return msgspec.json.encode({"scene": item, "view": view, "objects": found, "graf": BOXES})


def _in_world(one: OrientedBox) -> dict[str, Any]:
    return {
        "number": one.number,
        "exists": one.exists,
        "pose": one.pose.tolist(),
        "size": [2 * half for half in one.half],
        "corners": one.corners.tolist(),
    }


def _in_view(camera: Camera, one: OrientedBox) -> dict[str, Any]:
    return {
        "number": one.number,
        "pose_in_camera": seen_by(camera, one.pose).tolist(),
        "box": rectangle(camera, one),
    }


def objects(layout: Layout, homes: Sequence[Sequence[str]]) -> bytes:
    """One line an object; `homes` tells in which folder or tars each one is."""
    lines = []
    for item, home in enumerate(homes):
        seed = drawn_seed(layout.plan.seed, item)
        split, views = layout.splits[item], layout.plan.views
        line = {"object": item, "split": split, "seed": seed, "views": views, "in": home}
        lines.append(msgspec.json.encode(line) + b"\n")
    return b"".join(lines)
