"""Meshes, points and tables of numbers become binary PLY (Turk 1994); z up, the model's units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graf_cli.output.provenance.stamp import Stamp
from graf_cli.surfaces.shapes import Floats, Meshes, Points, Splats

COLOURS = ("red", "green", "blue")
TYPES = {"f": "float", "B": "uchar"}


def write(path: Path, made: Meshes | Points | Splats, stamp: Stamp | None) -> None:
    """Positions, normals, colours as 8-bit sRGB where there are some, and faces of a mesh."""
    if isinstance(made, Splats):
        from graf_cli.output.encode.shapes import splats  # noqa: PLC0415 - which writes by this one

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


def write_table(
    path: Path,
    columns: dict[str, NDArray[Any]],
    stamp: Stamp | None,
    faces: NDArray[np.integer[Any]] | None = None,
) -> None:
    """A file of vertices with any properties, floats and bytes, and of triangles."""
    types = [(name, column.dtype.newbyteorder("<")) for name, column in columns.items()]
    first = next(iter(columns.values()))
    table = np.empty(len(first), dtype=types)
    for name, column in columns.items():
        table[name] = column
    with path.open("wb") as stream:
        stream.write("\n".join(_header(columns, len(first), stamp, faces)).encode() + b"\n")
        stream.write(table.data)
        if faces is not None:
            rows = np.empty(len(faces), dtype=[("n", "u1"), ("k", "<i4", (3,))])
            rows["n"], rows["k"] = 3, faces
            stream.write(rows.data)


def _header(
    columns: dict[str, NDArray[Any]],
    count: int,
    stamp: Stamp | None,
    faces: Sequence[Any] | NDArray[Any] | None,
) -> Iterator[str]:
    yield "ply"
    yield "format binary_little_endian 1.0"
    if stamp is not None:
        for key, text in stamp.entries():
            yield f"comment {key} {text}"
    yield f"element vertex {count}"
    for name, column in columns.items():
        yield f"property {TYPES[column.dtype.char]} {name}"
    if faces is not None:
        yield f"element face {len(faces)}"
        yield "property list uchar int vertex_indices"
    yield "end_header"
