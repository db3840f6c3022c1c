"""At which density a surface has the silhouettes of pictures.

A ray shows an object where more than half of its light is stopped. What stops it at a silhouette is
not one step of the marcher but the several that pass through the rim; so silhouettes of the level
``ln 2 / step`` are a little small, by how much the curvature and the steepness of the field decide.
A ray meets the level set of a density just where the highest density along it is above that; hence
the level that as many rays meet as are opaque is read off the highest densities of rays, in order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graf_cli.scene.camera import Camera, rays
from graf_cli.surfaces.field import Field
from graf_cli.surfaces.rough import Rough
from graf_cli.surfaces.shapes import Box
from graf_cli.surfaces.source import Source
from graf_cli.surfaces.views import cameras

# Rays of toy cars are then told to 0.05 of ln 2 / step, which moves silhouettes by 0.1 %.
COUNT, SIDE = 6, 48  # pictures, and pixels along a side
FINER = 4  # looks a step around the densest sample, where a ray may only graze
CLEAR = 0.99  # opacity of rays that do not graze
FAINTEST = 0.1  # of ln 2 / step, of which a step stops 7 %: no surface, but a haze of some depth


def level_of(source: Source, box: Box, rough: Rough | None = None) -> float:
    """Density per world unit of the surface that has the silhouettes of pictures.

    Parameters
    ----------
    source : Source
    box : Box
        Around all that reaches `FAINTEST` of ``ln 2 / step``.
    rough : Rough, optional
        What is known of the densities from there to ``ln 2 / step``. What is clearly on one side
        of them need not be asked.

    Returns
    -------
    float
        ``ln 2 / step`` where it would be farther from that than `FAINTEST`: rays through a
        translucent hull are opaque by its depth, of which its densest point tells nothing.
    """
    field, scene = source.field, source.scene
    if scene.warp is not None or scene.finish is not None:
        return field.surface  # rays that are bent, or pictures of a size that is given
    seen = [_looked(source, camera, box, rough) for camera in cameras(source, COUNT, SIDE)]
    opacity, densest = (torch.cat(part) for part in zip(*seen, strict=True))
    count = int((opacity > 0.5).sum())
    if not 0 < count < len(opacity):
        return field.surface
    order = densest.sort(descending=True).values
    level = float(order[count - 1] + order[count]) / 2
    if rough is not None and level > field.surface:
        return level_of(source, box)  # above what is known
    near = FAINTEST < level / field.surface < 1 / FAINTEST
    return level if near else field.surface


def _looked(source: Source, camera: Camera, box: Box, rough: Rough | None) -> tuple[Tensor, Tensor]:
    """Opacity and highest density along each ray that meets a box, shape = (n,) each."""
    field = source.field
    cast = rays(camera, device=field.device, dtype=torch.float32)
    low, high = (
        torch.tensor(end, device=field.device, dtype=torch.float32) for end in (box.low, box.high)
    )
    samples = source.scene.quadrature.samples
    share = torch.linspace(0, 1, samples, device=field.device, dtype=torch.float32)
    z = cast.near * (1 - share) + cast.far * share
    points = cast.origins[:, None] + cast.directions[:, None] * z[..., None]
    inside = ((points >= low) & (points <= high)).all(dim=-1)
    met = inside.any(dim=1)
    points, inside, directions = points[met], inside[met], cast.directions[met]
    density = torch.zeros(inside.shape, device=field.device, dtype=torch.float32)
    density[inside] = field.activated(_raw(field, points[inside], rough))
    step = (z[..., -1:] - z[..., :1]).expand(len(met), 1)[met] / max(samples - 1, 1)
    length = step * directions.norm(dim=-1, keepdim=True)
    opacity = 1 - torch.exp(-(density * length).sum(dim=1))
    densest, at = density.max(dim=1)
    grazing = (opacity < CLEAR) & (densest > FAINTEST * field.surface)
    away = torch.linspace(-1, 1, 2 * FINER + 1, device=field.device, dtype=torch.float32)
    middle = points[grazing, at[grazing]]
    around = middle[:, None] + (directions * step)[grazing][:, None] * away[:, None]
    finer = field.activated(field.density(around.reshape(-1, 3), scouting=True))
    densest[grazing] = finer.view(-1, len(away)).amax(dim=1)
    return opacity, densest


def _raw(field: Field, points: Tensor, rough: Rough | None) -> Tensor:
    """Raw densities, those of a network only where others do not tell enough."""
    if rough is None:
        return field.density(points, scouting=True)
    found, unclear = rough.at(points)
    found[unclear] = field.density(points[unclear], scouting=True)
    return found
