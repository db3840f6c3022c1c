"""Meshes and points become binary PLY; z up, the model's units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graf_cli.output.encode.shapes import splats
from graf_cli.output.encode.shapes.table import write_table
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.surfaces.shapes import Floats, Meshes, Points, Splats

COLOURS = ("red", "green", "blue")


def write(path: Path, made: Meshes | Points | Splats, stamp: Stamp | None) -> None:
    """Positions, normals, colours as 8-bit sRGB where there are some, and faces of a mesh."""
    if isinstance(made, Splats):
        splats.write(path, made, stamp)
        return
    if isinstance(made, Points):
        columns = vertex_columns(made.positions, made.normals, made.colours)
        write_table(path, columns, stamp)
        return
    coloured = all(part.colours is not None for part in made.parts)
    columns = vertex_columns(
        np.concatenate([part.vertices for part in made.parts]),
        np.concatenate([part.normals for part in made.parts]),
        np.concatenate([part.colours for part in made.parts if part.colours is not None])
        if coloured
        else None,
    )
    faces, before = [], 0
    for part in made.parts:
        faces.append(part.faces + before)
        before += len(part.vertices)
    write_table(path, columns, stamp, np.concatenate(faces))


def vertex_columns(
    positions: Floats, normals: Floats, colours: Floats | None
) -> dict[str, NDArray[Any]]:
    """The properties of vertices by name, in the order of the file."""
    columns: dict[str, NDArray[Any]] = dict(zip("xyz", positions.T, strict=True))
    columns |= zip(("nx", "ny", "nz"), normals.T, strict=True)
    if colours is not None:
        columns |= zip(COLOURS, levels(colours).T, strict=True)
    return columns


def levels(colours: Floats) -> NDArray[np.uint8]:
    """Of 8 bits, the nearest."""
    return np.asarray(np.rint(colours.clip(0, 1) * 255), dtype=np.uint8)
