"""A mesh of an object: the level set of its density, with normals and colours."""

from __future__ import annotations

import numpy as np

from graf_cli.errors import SurfaceError
from graf_cli.surfaces.box import around
from graf_cli.surfaces.colours import fitted
from graf_cli.surfaces.lattice import lattice_over
from graf_cli.surfaces.libraries import require
from graf_cli.surfaces.marching import triangles
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.refine import Doubles, onto_level, smoothed
from graf_cli.surfaces.shapes import Floats, Indices, Mesh, Meshes
from graf_cli.surfaces.source import Source

PIXELS = 0.75  # of the pictures that colours are fitted to, along a side, a cell
FEWER = 0.97  # of the faces that are asked for, where so many cannot be had without a fault
TRIES = 8


def extract(source: Source, options: Export) -> Meshes:
    """One mesh of all that there is.

    Raises
    ------
    SurfaceError
        When there is no surface.
    """
    vertices, faces, normals = surface(source, options)
    size = int(PIXELS * options.resolution)
    colours = fitted(source, vertices, faces, normals, size=size)
    mesh = Mesh(_floats(vertices), faces, _floats(normals), _floats(colours))
    return Meshes((mesh,))


def surface(source: Source, options: Export) -> tuple[Doubles, Indices, Doubles]:
    """Vertices on the level, faces, and normals of the density.

    Raises
    ------
    SurfaceError
    """
    field = source.field
    density = field.surface if options.level is None else options.level
    level = field.raw(density)
    source.report(0.0, "surface")
    lattice = lattice_over(around(field, density, source.box), options.resolution)
    vertices, faces = triangles(field, lattice, level)
    if not len(faces):
        raise SurfaceError(
            f"This object has no surface at the ⟨level⟩ {density:.4g} that {options.resolution} "
            "cells can tell; give a higher ⟨resolution⟩."
        )
    vertices = smoothed(vertices, faces, options.smooth)
    if options.faces is not None and options.faces < len(faces):
        vertices, faces = simplified(vertices, faces, options.faces)
    moved, normals = onto_level(field, vertices, level, lattice.side)
    return (vertices if options.smooth else moved), faces, normals


def simplified(vertices: Doubles, faces: Indices, count: int) -> tuple[Doubles, Indices]:
    """At most `count` faces, by quadric errors (Garland and Heckbert 1997), still closed.

    The library leaves an edge between more than two faces now and then; a few faces less, and it
    is another edge.

    Raises
    ------
    SurfaceError
        When no such number of faces closes the surface.
    """
    fast = require("fast_simplification")
    wanted = count
    for _ in range(TRIES):
        found, kept = fast.simplify(
            vertices.astype(np.float32), faces, target_count=wanted, agg=7.0
        )
        if 0 < len(kept) <= count and closed(kept):
            return found.astype(np.float64), kept.astype(np.int32)
        wanted = max(int(wanted * FEWER), 4)
    raise SurfaceError(f"The surface cannot be closed with {count} faces; give more ⟨faces⟩.")


def closed(faces: Indices) -> bool:
    """Whether every edge lies between two faces that see it from opposite sides."""
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)
    code = edges[:, 0] << 32 | edges[:, 1]
    back = edges[:, 1] << 32 | edges[:, 0]
    code.sort()
    back.sort()
    return bool((code == back).all() and (code[1:] != code[:-1]).all())


def _floats(values: Doubles) -> Floats:
    return values.astype(np.float32)
