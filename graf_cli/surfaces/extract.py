"""A shot becomes a shape."""

from __future__ import annotations

from importlib import import_module

import torch

from graf_cli.errors import SurfaceError
from graf_cli.rendering.renderer import RenderOptions
from graf_cli.rendering.shot import Shot
from graf_cli.scene.spec import CameraSpec
from graf_cli.scene.volume import Scenes
from graf_cli.surfaces.options import Export, Extracted
from graf_cli.surfaces.shapes import Shape
from graf_cli.surfaces.source import Report, source_of, untold

MODULES: dict[Extracted, str] = {
    "mesh": "graf_cli.surfaces.mesh",
    "splats": "graf_cli.surfaces.splats",
    "points": "graf_cli.surfaces.points",
    "grid": "graf_cli.surfaces.grid",
    "page": "graf_cli.surfaces.page",
}  # whose `extract(source, export)` makes each kind

OF_SEVERAL: frozenset[Extracted] = frozenset({"mesh"})  # what scenes of several objects have


@torch.inference_mode()
def extract(
    scenes: Scenes,
    shot: Shot,
    camera: CameraSpec,
    export: Export,
    *,
    options: RenderOptions | None = None,
    report: Report = untold,
) -> Shape:
    """Take a shape out of the object of a shot.

    It depends on the object, the samples along a ray and `export` alone, never on what was made
    before. `camera` says where the model's own cameras stood.

    Raises
    ------
    SurfaceError
        When the object has no such shape.
    """
    source = source_of(scenes, shot, camera, options, report)
    if source.scene.objects is not None and export.kind not in OF_SEVERAL:
        raise SurfaceError(
            f"A scene of several objects has no {export.kind}, since its colours are painted of "
            "all of it together; export a mesh, which is one an object."
        )
    made: Shape = import_module(MODULES[export.kind]).extract(source, export)
    return made
