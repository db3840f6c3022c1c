"""A mesh becomes glTF 2.0 in one binary file, `.glb` (Khronos, 2021).

glTF is y up, so that a point x y z of the world becomes x z −y; lengths stay the model's own.
Colours of vertices are linear there, those of pictures are sRGB. Light is in the colours already,
so that the material takes none (`KHR_materials_unlit`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from graf_cli.output.provenance.stamp import Stamp
from graf_cli.surfaces.shapes import Floats, Mesh, Meshes

MAGIC, VERSION = 0x46546C67, 2
JSON, BIN = 0x4E4F534A, 0x004E4942
FLOAT, UNSIGNED_INT, UNSIGNED_SHORT = 5126, 5125, 5123
ARRAY, ELEMENTS = 34962, 34963
UNLIT = "KHR_materials_unlit"
LINEAR_BELOW, SLOPE = 0.04045, 12.92  # of sRGB's curve (IEC 61966-2-1)

Arrays = Sequence[NDArray[Any]]


def write(path: Path, made: Meshes, stamp: Stamp | None) -> None:
    """One node a mesh, under the stamp's words as `extras` of the asset."""
    buffer = _Buffer()
    meshes = [_mesh(buffer, mesh) for mesh in made.parts]
    document = {
        "asset": {
            "version": "2.0",
            "generator": "graf" if stamp is None else stamp.tool,
            **({} if stamp is None else {"extras": dict(stamp.entries())}),
        },
        "extensionsUsed": [UNLIT],
        "scene": 0,
        "scenes": [{"nodes": [*range(len(meshes))]}],
        "nodes": [{"mesh": k, "name": mesh.name} for k, mesh in enumerate(made.parts)],
        "meshes": meshes,
        "materials": [
            {
                "name": "colours of vertices",
                "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0},
                "extensions": {UNLIT: {}},
            },
            {
                "name": "no colours",
                "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0},
            },
        ],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": buffer.length}],
    }
    used = {mesh["primitives"][0]["material"] for mesh in meshes}
    if len(used) == 1:  # one that nothing uses is left out
        [kept] = used
        document["materials"] = [document["materials"][kept]]  # type: ignore[index]
        for mesh in meshes:
            mesh["primitives"][0]["material"] = 0
        if kept == 1:
            del document["extensionsUsed"]
    text = msgspec.json.encode(document)
    text += b" " * (-len(text) % 4)
    with path.open("wb") as stream:
        total = 12 + 8 + len(text) + 8 + buffer.length
        stream.write(struct.pack("<5I", MAGIC, VERSION, total, len(text), JSON))
        stream.write(text)
        stream.write(struct.pack("<2I", buffer.length, BIN))
        for array in buffer.arrays:
            stream.write(np.ascontiguousarray(array).data)


class _Buffer:
    """Arrays one behind the other, and where each is."""

    def __init__(self) -> None:
        self.arrays: list[NDArray[Any]] = []
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.length = 0

    def add(self, array: NDArray[Any], kind: str, target: int, **more: Any) -> int:
        """Append an array of 4-byte alignment; the number of its accessor."""
        component = {"f": FLOAT, "I": UNSIGNED_INT, "H": UNSIGNED_SHORT}[array.dtype.char]
        view = {"buffer": 0, "byteOffset": self.length, "byteLength": array.nbytes}
        self.views.append({**view, "target": target})
        accessor = {"bufferView": len(self.views) - 1, "componentType": component}
        self.accessors.append({**accessor, "count": len(array), "type": kind, **more})
        self.arrays.append(array)
        self.length += array.nbytes
        return len(self.accessors) - 1


def _mesh(buffer: _Buffer, mesh: Mesh) -> dict[str, Any]:
    positions = upright(mesh.vertices)
    ends = {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
    attributes = {
        "POSITION": buffer.add(positions, "VEC3", ARRAY, **ends),
        "NORMAL": buffer.add(upright(mesh.normals), "VEC3", ARRAY),
    }
    if mesh.colours is not None:
        colours = np.ones((len(positions), 4))  # three numbers of 2 bytes would not be aligned
        colours[:, :3] = linear(mesh.colours)
        levels = np.rint(colours * 65535).astype("<u2")
        attributes["COLOR_0"] = buffer.add(levels, "VEC4", ARRAY, normalized=True)
    faces = mesh.faces.astype("<u4").ravel()
    primitive = {
        "attributes": attributes,
        "indices": buffer.add(faces, "SCALAR", ELEMENTS),
        "material": int(mesh.colours is None),
    }
    return {"name": mesh.name, "primitives": [primitive]}


def upright(vectors: Floats) -> Floats:
    """From z up to y up, shape = (n, 3)."""
    x, y, z = vectors.T
    return np.stack([x, z, -y], axis=1).astype("<f4")


def linear(srgb: Floats) -> NDArray[np.float64]:
    """Light of sRGB colours, in [0, 1]."""
    values = np.asarray(srgb, dtype=np.float64).clip(0, 1)
    curved = ((values + 0.055) / 1.055) ** 2.4
    return np.where(values <= LINEAR_BELOW, values / SLOPE, curved)
