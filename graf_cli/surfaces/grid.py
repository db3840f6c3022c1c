"""The densities of an object at the nodes of a lattice."""

from __future__ import annotations

import numpy as np
import torch

from graf_cli.surfaces.box import around, axis, nodes_of
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.shapes import DensityGrid
from graf_cli.surfaces.source import Source

FAINT = 1 / 255  # of the light that a step stops: what a picture of 8 bits shows


def extract(source: Source, options: Export) -> DensityGrid:
    """All of it, a slab at a time, exactly.

    The box is around all that a step of the marcher would show, or that reaches the level.

    Raises
    ------
    SurfaceError
        When there is nothing.
    """
    field = source.field
    level = field.surface if options.level is None else options.level
    faint = min(level, -np.log1p(-FAINT) / field.step)
    shape, box, _ = nodes_of(around(field, faint, source.box, whole=True), options.resolution)
    x, y, z = (axis(box, k, count, field.device) for k, count in enumerate(shape))
    density = np.empty(shape, dtype=np.float32)
    for k in range(shape[0]):
        nodes = torch.stack(torch.meshgrid(x[k : k + 1], y, z, indexing="ij"), dim=-1)
        raw = field.density(nodes.reshape(-1, 3))
        density[k] = field.activated(raw).view(shape[1:]).to(device="cpu").numpy()
    return DensityGrid(density, box, level, field.step)
