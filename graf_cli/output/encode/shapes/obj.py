"""A mesh becomes Wavefront OBJ, a text; z up, the model's units.

Colours stand behind the coordinates of each vertex, as most readers know them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from graf_cli.output.provenance.stamp import Stamp
from graf_cli.surfaces.shapes import Mesh, Meshes


def write(path: Path, made: Meshes, stamp: Stamp | None) -> None:
    """One object a mesh; the stamp's words are comments."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        if stamp is not None:
            stream.writelines(f"# {key} {text}\n" for key, text in stamp.entries())
        before = 1  # numbers count from 1 on, through all objects
        for mesh in made.parts:
            stream.writelines(_lines(mesh, before))
            before += len(mesh.vertices)


def _lines(mesh: Mesh, before: int) -> Iterator[str]:
    yield f"o {mesh.name}\n"
    vertices = mesh.vertices
    if mesh.colours is not None:
        vertices = np.concatenate([vertices, mesh.colours.clip(0, 1)], axis=1)
    yield from _rows("v", vertices, "%.7g")
    yield from _rows("vn", mesh.normals, "%.5g")
    for a, b, c in (mesh.faces + before).tolist():
        yield f"f {a}//{a} {b}//{b} {c}//{c}\n"


def _rows(
    word: str, rows: np.ndarray[tuple[int, ...], np.dtype[np.float32]], form: str
) -> Iterator[str]:
    pattern = f"{word} " + " ".join([form] * rows.shape[1]) + "\n"
    for row in rows.tolist():
        yield pattern % tuple(row)
