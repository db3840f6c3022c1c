"""A mesh of an object: the level set of its density, with normals and colours."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from graf_cli.errors import SurfaceError
from graf_cli.scene.volume import Placed
from graf_cli.surfaces.colours import fitted
from graf_cli.surfaces.lattice import Lattice, lattice_over
from graf_cli.surfaces.libraries import require
from graf_cli.surfaces.marching import triangles
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.refine import Doubles, onto_level, smoothed
from graf_cli.surfaces.rough import around, looked
from graf_cli.surfaces.shapes import Floats, Indices, Mesh, Meshes
from graf_cli.surfaces.silhouettes import FAINTEST, level_of
from graf_cli.surfaces.source import Source

# Of the pictures that colours are fitted to, along a side, a cell; with 0.75 0.6 dB are lost.
PIXELS = 1.0
FEWER = 0.97  # of the faces that are asked for, where so many cannot be had without a fault
TRIES = 24
# How eager the library is, how much more so each time, and the share of the volume that may change:
# at its own 7 it leaves half of a tent, of which 40 faces can hold 98 %.
WAYS = ((3.0, 0.0, 0.05), (4.0, 0.0, 0.05), (5.0, 0.0, 0.05), (7.0, 0.5, math.inf))


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
    if options.level is not None:
        return density, lattice_over(around(field, density, source.box), count)
    faintest = FAINTEST * density
    rough = looked(field, source.box, faintest, density)
    box = around(field, density, source.box, rough=rough)
    wide = around(field, faintest, source.box, whole=True, rough=rough)
    density = level_of(source, wide, rough)
    if density < field.surface:
        box = around(field, density, source.box, whole=True, rough=rough)
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
    vertices, faces, slopes = triangles(field, lattice, level)
    if not len(faces):
        raise SurfaceError(
            f"This object has no surface at the ⟨level⟩ {density:.4g} that {options.resolution} "
            "cells can tell; give a higher ⟨resolution⟩."
        )
    if options.smooth:
        vertices, slopes = smoothed(vertices, faces, options.smooth), None
    if options.faces is not None and options.faces < len(faces):
        (vertices, faces), slopes = simplified(vertices, faces, options.faces), None
    moved, normals = onto_level(field, vertices, level, lattice.side, slopes)
    return (vertices if options.smooth else moved), faces, normals


def simplified(vertices: Doubles, faces: Indices, count: int) -> tuple[Doubles, Indices]:
    """At most `count` faces, by quadric errors (Garland and Heckbert 1997), still closed.

    The library stops before it is there where every further step would cost much, and begins anew
    when it is asked again; and it leaves an edge between more than two faces now and then, or
    folds an object in on itself: from where it was right last, a few faces more or less, and it is
    another edge. Where no number of faces keeps the volume, one that is closed will do.

    Raises
    ------
    SurfaceError
        When no such number of faces closes the surface.
    """
    for eagerness, more, lost in WAYS:
        found = _thinned(vertices, faces, count, eagerness, more, lost)
        if found is not None:
            return found
    raise SurfaceError(f"The surface cannot be closed with {count} faces; give more ⟨faces⟩.")


def _thinned(  # noqa: PLR0917 - of one way
    vertices: Doubles, faces: Indices, count: int, eagerness: float, more: float, lost: float
) -> tuple[Doubles, Indices] | None:
    """By one of `WAYS`; None where it does not come down to so many."""
    fast = require("fast_simplification")
    points, kept, aimed = vertices.astype(np.float32), faces, count
    whole = volume(points, kept)
    for attempt in range(TRIES):
        found, fewer = fast.simplify(points, kept, target_count=aimed, agg=eagerness)
        eagerness += more
        if len(fewer) and closed(fewer) and abs(volume(found, fewer) - whole) <= lost * whole:
            points, kept = found, fewer
            if len(kept) <= count:
                return points.astype(np.float64), kept.astype(np.int32)
        aimed = max(int(count * FEWER ** (attempt % 4)), 4)
    return None


def volume(vertices: Doubles | Floats, faces: Indices) -> float:
    """Of what closed triangles enclose, world units³: the sum of tetrahedra to the origin."""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


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
