"""The densities of an object at the nodes of a lattice."""

from __future__ import annotations

import numpy as np
import torch

from graf_cli.surfaces.lattice import lattice_over
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.rough import around
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
    lattice = lattice_over(around(field, faint, source.box, whole=True), options.resolution)
    x, y, z = (lattice.axis(k, 1, field.device) for k in range(3))
    density = np.empty((len(x), len(y), len(z)), dtype=np.float32)
    for k, some in enumerate(torch.split(x, 1)):
        raw = field.density(torch.cartesian_prod(some, y, z))
        density[k] = field.activated(raw).view(len(y), len(z)).to(device="cpu").numpy()
    return DensityGrid(density, lattice.box, level, field.step)
