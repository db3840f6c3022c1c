"""What a data set says of its cameras and objects: `transforms.json`, and the JSON of one view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from graf_cli.output.cameras import extrinsics, intrinsics, lenses
from graf_cli.output.dataset.layout import DEPTH, IMAGES, OPACITY, Layout
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import Shot
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import drawn_seed
from graf_cli.scene.labels import label_of, lens_of

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


def transforms(layout: Layout, shots: Sequence[Shot], item: int) -> bytes:
    """The cameras of one object in nerfstudio's format, and in `graf` what they mean."""
    plan = layout.plan
    cameras = [shots[k].camera for k in layout.pictures(item)]
    shared, own = lenses(cameras)
    frames = [_frame(layout, view, own[view], camera) for view, camera in enumerate(cameras)]
    about = {
        "object": item,
        "split": layout.splits[item],
        "seed": drawn_seed(plan.seed, item),
        "synthetic": True,
        "depth_unit_scale_factor": plan.depth_unit,
        **CONVENTION,
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


def sample(layout: Layout, recipe: Recipe, k: int, shot: Shot) -> bytes:
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
        **({"controls": layout.plan.controls} if layout.plan.controls else {}),
        **{f"latent_{name}": len(code.start) for name, code in shot.subject.codes.items()},
        **CONVENTION,
    }
    return msgspec.json.encode(document)


def objects(layout: Layout, homes: Sequence[Sequence[str]]) -> bytes:
    """One line an object; `homes` tells in which folder or tars each one is."""
    lines = []
    for item, home in enumerate(homes):
        seed = drawn_seed(layout.plan.seed, item)
        split, views = layout.splits[item], layout.plan.views
        line = {"object": item, "split": split, "seed": seed, "views": views, "in": home}
        lines.append(msgspec.json.encode(line) + b"\n")
    return b"".join(lines)
