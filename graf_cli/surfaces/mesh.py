"""A mesh of an object: the level set of its density, with normals and colours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from graf_cli.errors import SurfaceError
from graf_cli.scene.volume import Placed
from graf_cli.surfaces.box import around, looked
from graf_cli.surfaces.colours import fitted
from graf_cli.surfaces.lattice import Lattice, lattice_over
from graf_cli.surfaces.libraries import require
from graf_cli.surfaces.marching import triangles
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.refine import Doubles, onto_level, smoothed
from graf_cli.surfaces.shapes import Floats, Indices, Mesh, Meshes
from graf_cli.surfaces.silhouettes import FAINTEST, level_of
from graf_cli.surfaces.source import Source

# Of the pictures that colours are fitted to, along a side, a cell; with 0.75 0.6 dB are lost.
PIXELS = 1.0
FEWER = 0.97  # of the faces that are asked for, where so many cannot be had without a fault
TRIES = 24


def extract(source: Source, options: Export) -> Meshes:
    """One mesh of all that there is, with colours; of a scene of several objects, one of each.

    The colours of such a scene are painted of all of it together, so that its objects have none.

    Raises
    ------
    SurfaceError
        When there is no surface.
    """
    if source.scene.objects is not None:
        return Meshes(tuple(_placed(source, options, source.scene.objects())))
    source.report(0.0, "surface")
    vertices, faces, normals = surface(source, options, *where(source, options))
    size = int(PIXELS * options.resolution)
    colours = fitted(source, vertices, faces, normals, size=size)
    mesh = Mesh(_floats(vertices), faces, _floats(normals), _floats(colours))
    return Meshes((mesh,))


def _placed(source: Source, options: Export, objects: tuple[Placed, ...]) -> Iterator[Mesh]:
    """A mesh of each object where it stands; one without a surface, such as a faint one, has none.

    Raises
    ------
    SurfaceError
        When none has one.
    """
    failure: SurfaceError | None = None
    found = False
    for placed in objects:
        try:
            alone = source.alone(placed)
            vertices, faces, normals = surface(alone, options, *where(alone, options))
        except SurfaceError as error:
            failure = error
            continue
        found = True
        yield Mesh(_floats(vertices), faces, _floats(normals), name=placed.name)
    if not found:
        raise failure or SurfaceError("This scene has no object; give one.")


def where(source: Source, options: Export) -> tuple[float, Lattice]:
    """The density of the surface, per world unit, and the lattice that it is looked for on.

    Raises
    ------
    SurfaceError
    """
    field, count = source.field, options.resolution
    density = field.surface if options.level is None else options.level
    raw = looked(field, source.box, count)
    box = around(field, density, source.box, count, raw=raw)
    if options.level is None:
        wide = around(field, FAINTEST * density, source.box, count, whole=True, raw=raw)
        density = level_of(source, wide)
        if density < field.surface:
            box = around(field, density, source.box, count, whole=True, raw=raw)
    return density, lattice_over(box, count)


def surface(
    source: Source, options: Export, density: float, lattice: Lattice
) -> tuple[Doubles, Indices, Doubles]:
    """Vertices on the level, faces, and normals of the density.

    Raises
    ------
    SurfaceError
    """
    field = source.field
    level = field.raw(density)
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

    The library stops before it is there where every further step would cost much, and begins anew
    when it is asked again; and it leaves an edge between more than two faces now and then: from
    where it was closed last, a few faces more or less, and it is another edge.

    Raises
    ------
    SurfaceError
        When no such number of faces closes the surface.
    """
    fast = require("fast_simplification")
    points, kept, aimed = vertices.astype(np.float32), faces, count
    for attempt in range(TRIES):
        found, fewer = fast.simplify(points, kept, target_count=aimed, agg=7.0 + attempt / 2)
        if len(fewer) and closed(fewer):
            points, kept = found, fewer
            if len(kept) <= count:
                return points.astype(np.float64), kept.astype(np.int32)
        aimed = max(int(count * FEWER ** (attempt % 4)), 4)
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
