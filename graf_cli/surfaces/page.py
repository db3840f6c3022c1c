"""A scene becomes what a page shows: a baked volume, and the optics of its model.

The page itself (`graf_cli/assets/page/`) is put around it by `output/encode/shapes/page.py`.
"""

from __future__ import annotations

import math
from typing import Any

from graf_cli.errors import SurfaceError
from graf_cli.scene.spec import CameraSpec
from graf_cli.scene.volume import Quadrature, Scene
from graf_cli.surfaces.baking.baked import LEVELS, Baked, bake
from graf_cli.surfaces.baking.packing import packed
from graf_cli.surfaces.baking.space import space_of
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.shapes import Page
from graf_cli.surfaces.source import Source

MOST = 256  # points along a side: 256³ are 150 MB of textures, which most graphics cards have
BEYOND = 10.0  # degrees outside of the training range that a page still turns
NEARER = 8.0  # times that it zooms in
ASIDE, ABOVE = 30.0, 0.25  # the first view: degrees; share of the range of elevations


def extract(source: Source, options: Export) -> Page:
    """Bake an object.

    Raises
    ------
    SurfaceError
        When nothing shows, or the family has no colours before its 2-D stage.
    """
    scene, spec = source.scene, source.camera
    _check(source, options)
    space = space_of(scene, spec, source.field.device)
    if space is None:
        raise SurfaceError(
            "This scene's rays are bent, so that it has no box in the world; a page cannot hold it."
        )
    near, far = space.ends
    baked = bake(
        scene, source.field, space, options.resolution, length=far - near,
        tell=lambda done: source.report(done, "baking"), backs=shows_back(scene.quadrature),
    )  # fmt: skip
    if baked is None:
        raise SurfaceError(
            "This object has nothing to show: its density is nowhere above nothing where the "
            "model's cameras look."
        )
    return Page(_about(baked, source, space.ends), packed(baked))


def _check(source: Source, options: Export) -> None:
    scene = source.scene
    if scene.place is not None or (scene.finish is not None and scene.raw is None):
        raise SurfaceError(
            "This model integrates features, which only its 2-D network makes colours of; a page "
            "has none to show, so export a mesh."
        )
    if options.resolution > MOST:
        raise SurfaceError(
            f"⟨resolution⟩ {options.resolution} is more than a page holds; use {MOST} or less."
        )


def own_depths(scene: Scene) -> bool:
    """Whether pictures are sampled at depths that do not depend on the object."""
    quadrature = scene.quadrature
    return not quadrature.further and quadrature.rule == "left" and scene.warp is None


def shows_back(quadrature: Quadrature) -> bool:
    """Whether the last sample of a ray is opaque whatever there is: so is any softplus' there."""
    infinite = quadrature.rule == "left" and quadrature.last == "infinite"
    return quadrature.last_back or (infinite and quadrature.activation != "relu")


def _about(baked: Baked, source: Source, ends: tuple[float, float]) -> dict[str, Any]:
    scene, spec = source.scene, source.camera
    nz, ny, nx = baked.density.shape
    return {
        "counts": [nx, ny, nz],
        "low": list(baked.low),
        "pitch": baked.pitch,
        "bounds": list(baked.bounds),
        "shown": int(baked.shown.sum()),
        "rank": baked.coefficients.shape[1],
        "levels": LEVELS,
        "side": baked.maps.shape[1],
        "stride": min(baked.pitch, source.field.step),
        "optics": _optics(scene, spec, ends),
        "view": _view(spec),
        "limits": _limits(spec),
        "raw": scene.finish is not None,
    }


def _optics(scene: Scene, spec: CameraSpec, ends: tuple[float, float]) -> dict[str, Any]:
    """How rays are cast and summed."""
    quadrature = scene.quadrature
    near, far = (spec.near, spec.far) if scene.warp is None else ends
    return {
        "near": near,
        "far": far,
        "radius": list(spec.radius),
        "steady": spec.steady,
        "pivot": list(spec.pivot),
        "orthographic": spec.orthographic,
        "pixels": spec.pixels,
        "depths": spec.depths if scene.warp is None else "ray",
        "samples": quadrature.samples,
        "spacing": quadrature.spacing,
        "activation": quadrature.activation,
        "own": own_depths(scene),
        "infinite": quadrature.rule == "left" and quadrature.last == "infinite",
        "lastBack": shows_back(quadrature),
    }


def _view(spec: CameraSpec) -> dict[str, float]:
    """Where a page begins, in the words of the command line.

    It is somewhat from above and, where cameras go all around, from aside.
    """
    low, high = spec.elevation
    left, right = spec.azimuth
    return {
        "azimuth": ASIDE if right - left >= 360 else round((left + right) / 2, 4),
        "elevation": round(low + (high - low) * ABOVE, 4),
        "radius": round(sum(spec.radius) / 2, 4),
        "fov": round(spec.fov, 4),
    }


def _limits(spec: CameraSpec) -> dict[str, list[float] | None]:
    """How far a page turns and zooms: it holds what the model's cameras see, and a little more."""
    left, right = spec.azimuth
    low, high = spec.elevation
    half = math.tan(math.radians(spec.fov) / 2)
    narrow = 2 * math.degrees(math.atan(half / NEARER))
    whole = right - left >= 360
    return {
        "azimuth": None if whole else [left - BEYOND, right + BEYOND],
        "elevation": [max(low - BEYOND, -90.0), min(high + BEYOND, 90.0)],
        "radius": [spec.radius[0] / 2, spec.radius[1] * 2],
        "fov": [round(narrow, 4), round(min(3 * spec.fov, 150.0), 4)],
    }
