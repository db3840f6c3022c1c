"""Tables of vertices, and triangles, become binary PLY (Turk 1994)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graf_cli.output.provenance.stamp import Stamp

TYPES = {"f": "float", "B": "uchar"}


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
