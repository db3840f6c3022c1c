"""What cameras all around an object see of its surface, which colours are fitted to.

Where the surface is, is known by then: a ray needs the few samples around it alone, a tenth of
those of a whole picture, and every ray that misses needs none. A model with a 2-D stage paints
whole pictures, and these are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graf_cli.rendering.renderer import Renderer
from graf_cli.rendering.threads import each, workers
from graf_cli.scene.camera import Camera, Rays, along_axis, camera_for, rays_through
from graf_cli.scene.quadrature import weights
from graf_cli.scene.rigs import spread
from graf_cli.surfaces.raster import Seen, raster
from graf_cli.surfaces.shapes import Indices
from graf_cli.surfaces.source import Source

VIEWS = 24  # with 12 a mesh of toy cars loses 0.5 dB, with 48 it gains 0.1
# A ray begins so many steps before the surface, and has so many samples from there. With 1.25 and
# 4, which are a third more work, meshes gain 0.03 dB; with 0.5 and 2 they lose 0.2.
BEFORE, SAMPLES = 0.75, 3
FAINTEST = 0.02  # weight of a sample whose colour is left out
SOLID = 0.9  # opacity from which a pixel tells of the surface, and not of what is behind it
SURFACE = 0.4  # of the work, which is done before any view is looked at
RAYS = 1024  # whose samples are a chunk of points

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class View:
    """What one camera sees of triangles.

    Attributes
    ----------
    camera : Camera
    seen : Seen
        Which triangle each pixel meets, of those that tell of the surface.
    rgb : ndarray, shape = (n, 3)
        Colours of these pixels in the exact picture, sRGB in [0, 1].
    """

    camera: Camera
    seen: Seen
    rgb: Doubles


def cameras(source: Source, count: int, size: int) -> list[Camera]:
    """Cameras spread evenly over where the model's own stood."""
    spec, own = source.camera, source.shot.camera
    painted = source.scene.finish is not None  # a 2-D stage fixes the size
    width, height = (own.width, own.height) if painted else (size, size)
    radius = sum(spec.radius) / 2
    return [
        camera_for(
            spec,
            spread(spec.azimuth, spec.elevation, radius, k, count, spec.pivot),
            width=width,
            height=height,
        )
        for k in range(count)
    ]


def views(
    source: Source, vertices: Doubles, faces: Indices, *, size: int, count: int = VIEWS
) -> Iterator[View]:
    """What is seen from all around, one camera at a time."""
    renderer = Renderer(source.scenes, source.options)
    every = cameras(source, count, size)
    threads = workers(torch.device("cpu"))
    met: list[Seen] = []
    for k, camera in enumerate(every):
        source.report(SURFACE + (1 - SURFACE) * k / count, "colours")
        if not met:
            some = every[k : k + threads]
            met = each(lambda one: raster(one, vertices, faces), some, threads)
        seen = met.pop(0)
        if source.scene.finish is not None:
            yield _painted(renderer, source, camera, seen)
            continue
        rgb, opacity = shaded(source, camera, seen)
        solid = opacity > SOLID
        yield View(camera, seen.only(solid), rgb[solid] / opacity[solid, None])


def _painted(renderer: Renderer, source: Source, camera: Camera, seen: Seen) -> View:
    frame = renderer.render(replace(source.shot, camera=camera), surface=False)
    rgb = frame.rgb.reshape(-1, 3).astype(np.float64)
    return View(camera, seen, rgb[seen.pixel])


def shaded(source: Source, camera: Camera, seen: Seen) -> tuple[Doubles, Doubles]:
    """Colours, shape = (n, 3), multiplied by opacity, shape = (n,), of rays around the surface.

    The samples are those of the marcher that are nearest: `BEFORE` steps before the surface and
    the following ones. Of a model with a second pass they are as far apart as if those of both
    were spread evenly.
    """
    field = source.field
    pixel = torch.as_tensor(seen.pixel, device="cpu", dtype=torch.int64).to(device=field.device)
    rays = rays_through(camera, pixel, dtype=torch.float32)
    if source.scene.warp is not None:
        rays = source.scene.warp(rays, camera)
    depth = torch.as_tensor(seen.depth, device="cpu", dtype=torch.float32).to(device=field.device)
    depth = depth / along_axis(camera, pixel, dtype=depth.dtype)
    rows = _rows(rays, depth[:, None], source)
    run = replace(field, chunk=min(field.chunk // SAMPLES, RAYS)).ask
    made = run(lambda some: _marched(source, some), rows)
    host = made.to(device="cpu", dtype=torch.float64).numpy()
    return host[:, :3], host[:, 3]


def _rows(rays: Rays, depth: Tensor, source: Source) -> Tensor:
    """Origin, direction, first depth and step of each ray, shape = (n, 8)."""
    quadrature = source.scene.quadrature
    steps = max(quadrature.samples + quadrature.further - 1, 1)
    step = (rays.far - rays.near) / steps
    first = rays.near + step * ((depth - rays.near) / step - BEFORE).ceil()
    return torch.cat((rays.origins, rays.directions, first, step), dim=-1)


def _marched(source: Source, rows: Tensor) -> Tensor:
    """Radiance and opacity, shape = (n, 4), of some rays."""
    field = source.field
    origins, directions, first, step = torch.split(rows, [3, 3, 1, 1], dim=-1)
    along = torch.arange(SAMPLES, device=rows.device, dtype=rows.dtype)
    points = origins[:, None] + directions[:, None] * (first + step * along)[..., None]
    features, raw = field.volume.density(points.reshape(-1, 3))
    length = directions.norm(dim=-1, keepdim=True)
    alpha = 1 - torch.exp(-field.activated(raw.to(rows.dtype)).view(-1, SAMPLES) * step * length)
    weight = weights(alpha)
    shown = (weight.flatten() > FAINTEST).nonzero()[:, 0]
    weighed = torch.zeros((len(raw), 4), device=rows.device, dtype=rows.dtype)
    if len(shown):
        ray = shown.div(SAMPLES, rounding_mode="floor")
        facing = field.volume.per_ray((directions / length)[ray])
        share = weight.flatten()[shown, None]
        colour = field.volume.radiance(features[shown], facing)[:, :3]
        weighed[shown] = torch.cat((share * colour, share), dim=-1)
    return weighed.view(-1, SAMPLES, 4).sum(dim=1)
