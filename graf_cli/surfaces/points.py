"""Coloured points of an object's surface."""

from __future__ import annotations

from graf_cli.surfaces import mesh
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.shapes import Points
from graf_cli.surfaces.source import Source


def extract(source: Source, options: Export) -> Points:
    """The vertices of its mesh: about one a cell that the surface passes through.

    Raises
    ------
    SurfaceError
        When there is no surface.
    """
    [made] = mesh.extract(source, options).parts
    return Points(made.vertices, made.normals, made.colours)
