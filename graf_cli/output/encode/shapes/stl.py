"""A mesh becomes binary STL, triangles alone; z up, the model's units.

The header has 80 bytes, which a recipe does not fit into, and readers refuse a file that is longer
than its triangles. So what it says of itself, compressed, stands in the two bytes behind each
triangle that STL has for attributes of one's own: first its length in four bytes, little-endian.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graf_cli.errors import OutputError
from graf_cli.output.provenance.stamp import STL_HEAD, Stamp
from graf_cli.surfaces.shapes import Meshes

HEADER = 80


def write(path: Path, made: Meshes, stamp: Stamp | None) -> None:
    """All meshes in one list of triangles.

    Raises
    ------
    OutputError
        When there are not triangles enough to hold the stamp.
    """
    corners = np.concatenate([part.vertices[part.faces] for part in made.parts])
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-30)
    rows = np.zeros(len(corners), dtype=[("n", "<f4", 3), ("p", "<f4", (3, 3)), ("a", "<u2")])
    rows["n"], rows["p"] = across, corners
    if stamp is not None:
        told = _attributes(stamp.comment())
        if len(told) > len(rows):
            raise OutputError(
                f"An .stl of {len(rows)} triangles has no room for its recipe, which takes "
                f"{len(told)}; use another format, or ⟨no metadata⟩."
            )
        rows["a"][: len(told)] = told
    with path.open("wb") as stream:
        stream.write(STL_HEAD.ljust(HEADER))
        stream.write(np.array(len(rows), dtype="<u4").tobytes())
        stream.write(rows.data)


def _attributes(text: str) -> NDArray[np.uint16]:
    """A text, compressed behind its length, as attributes of two bytes, one a triangle."""
    packed = zlib.compress(text.encode(), 9)
    told = len(packed).to_bytes(4, "little") + packed
    return np.frombuffer(told + b"\0" * (len(told) % 2), dtype="<u2")
