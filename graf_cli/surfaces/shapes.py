"""Shapes as plain arrays of NumPy, on the host: what the writers of files take.

World frame: the model's own units, z up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Box:
    """An axis-aligned box.

    Attributes
    ----------
    low, high : tuple of 3 floats
        Its corners, world units.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @property
    def sides(self) -> tuple[float, float, float]:
        """Lengths of its sides, world units."""
        x, y, z = (high - low for low, high in zip(self.low, self.high, strict=True))
        return x, y, z


@dataclass(frozen=True, eq=False)
class DensityGrid:
    """Densities at the nodes of a lattice.

    Attributes
    ----------
    density : ndarray of float32, shape = (nx, ny, nz)
        Per world unit, not negative; the first and last nodes along an axis lie on the box.
    box : Box
    level : float
        The density at which the surface is.
    step : float
        Of the marcher that the field was made for, world units.
    """

    density: Floats
    box: Box
    level: float
    step: float


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles, counter-clockwise from outside.

    Attributes
    ----------
    vertices : ndarray of float32, shape = (n, 3)
    faces : ndarray of int32, shape = (m, 3)
    normals : ndarray of float32, shape = (n, 3)
        Unit vectors away from the object.
    colours : ndarray of float32, shape = (n, 3), or None
        sRGB, in [0, 1].
    name : str
    """

    vertices: Floats
    faces: Indices
    normals: Floats
    colours: Floats | None = None
    name: str = "object"


@dataclass(frozen=True, eq=False)
class Meshes:
    """One mesh, or one an object of a scene of several."""

    parts: tuple[Mesh, ...]


@dataclass(frozen=True, eq=False)
class Points:
    """Coloured points of a surface.

    Attributes
    ----------
    positions, normals, colours : ndarray of float32, shape = (n, 3)
        As those of a `Mesh`.
    """

    positions: Floats
    normals: Floats
    colours: Floats | None = None


@dataclass(frozen=True, eq=False)
class Splats:
    """Gaussians, as 3D Gaussian splatting (Kerbl et al. 2023) has them.

    Attributes
    ----------
    positions : ndarray of float32, shape = (n, 3)
    scales : ndarray of float32, shape = (n, 3)
        Standard deviations along the axes, world units.
    rotations : ndarray of float32, shape = (n, 4)
        Unit quaternions w x y z, from the axes to the world.
    opacities : ndarray of float32, shape = (n,)
        In (0, 1).
    harmonics : ndarray of float32, shape = (n, (degree + 1)², 3)
        Coefficients of colour; ``0.5 + Σ c Y(d)`` is seen along the direction d.
    """

    positions: Floats
    scales: Floats
    rotations: Floats
    opacities: Floats
    harmonics: Floats


@dataclass(frozen=True, eq=False)
class Page:
    """What a page shows.

    Attributes
    ----------
    about : dict
        Numbers and words about the volume and the model's optics, as JSON has them.
    volume : bytes
        See `graf_cli.surfaces.baking.packing`.
    """

    about: dict[str, Any]
    volume: bytes


Shape = DensityGrid | Meshes | Points | Splats | Page
