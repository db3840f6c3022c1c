"""Files of shapes, as other programs read them."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import plyfile
import pytest
import trimesh

from graf_cli.errors import OutputError
from graf_cli.output.encode.shapes import glb, obj, ply, stl
from graf_cli.output.encode.shapes import splats as splat_ply
from graf_cli.output.provenance import reading
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.surfaces.shapes import Mesh, Meshes, Points, Splats
from tests.output.frames import recipe_of
from tests.surfaces.objects import floats, loaded

WRITERS = {"glb": glb, "ply": ply, "obj": obj, "stl": stl}
VALIDATE = """
require("gltf-validator").validateBytes(new Uint8Array(require("fs").readFileSync(0)))
    .then(found => console.log(JSON.stringify(found.issues)));
"""


def ball(name: str = "object", shift: float = 0.0, *, coloured: bool = True) -> Mesh:
    found = trimesh.creation.icosphere(subdivisions=3)
    normals = found.vertices / np.linalg.norm(found.vertices, axis=1, keepdims=True)
    colours = (normals + 1) / 2
    return Mesh(
        floats(found.vertices * (1, 2, 3) + (shift, 0, 0)),
        np.asarray(found.faces, dtype=np.int32),
        floats(normals),
        floats(colours) if coloured else None,
        name,
    )


TWO = Meshes((ball("one"), ball("two", 5.0)))


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"a.{name}"
    WRITERS[name].write(path, TWO, Stamp(recipe_of(1)))
    whole = loaded(path, force="mesh", process=False)
    if name == "glb":
        parts = loaded(path).geometry
        assert sorted(parts) == ["one", "two"]
        whole = parts["one"] + parts["two"]
        whole.vertices = whole.vertices[:, [0, 2, 1]] * (1, -1, 1)  # y up to z up
    corners = np.concatenate([part.vertices[part.faces] for part in TWO.parts])
    assert np.allclose(whole.vertices[whole.faces], corners, atol=1e-5)
    found = reading.read(path)
    assert found.recipe("it") == recipe_of(1)
    assert found.generated
    WRITERS[name].write(path, TWO, None)
    if name != "obj":  # which nothing tells from a text, then
        assert not reading.carries_recipe(path)


@pytest.mark.parametrize("name", ["ply", "obj"])
def test_colours_are_srgb(tmp_path: Path, name: str) -> None:
    path, mesh = tmp_path / f"a.{name}", ball()
    WRITERS[name].write(path, Meshes((mesh,)), None)
    found = loaded(path, process=False).visual.vertex_colors[:, :3] / 255
    assert np.abs(found - mesh.colours).max() < 0.003


def parts_of(path: Path) -> tuple[dict[str, object], bytes]:
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<3I", data)
    assert (magic, version, length) == (0x46546C67, 2, len(data))
    size, kind = struct.unpack_from("<2I", data, 12)
    assert kind == 0x4E4F534A
    rest, binary = struct.unpack_from("<2I", data, 20 + size)
    assert (rest % 4, binary) == (0, 0x004E4942)
    return json.loads(data[20 : 20 + size]), data[28 + size :]


@pytest.mark.parametrize("coloured", [True, False])
def test_gltf_says_what_its_bytes_are(tmp_path: Path, coloured: bool) -> None:
    path, mesh = tmp_path / "a.glb", ball(coloured=coloured)
    glb.write(path, Meshes((mesh,)), Stamp(recipe_of(1)))
    document: dict[str, object]
    document, binary = parts_of(path)
    views, accessors = document["bufferViews"], document["accessors"]
    kinds = {5126: "<f4", 5125: "<u4", 5123: "<u2"}
    widths = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
    arrays = []
    for accessor in accessors:  # type: ignore[attr-defined]
        view = views[accessor["bufferView"]]  # type: ignore[index]
        assert view["byteOffset"] % 4 == 0
        raw = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        shape = (accessor["count"], widths[accessor["type"]])
        arrays.append(np.frombuffer(raw, kinds[accessor["componentType"]]).reshape(shape))
    [primitive] = document["meshes"][0]["primitives"]  # type: ignore[index]
    named = {key: arrays[k] for key, k in primitive["attributes"].items()}
    assert accessors[primitive["attributes"]["POSITION"]]["min"] == (  # type: ignore[index]
        named["POSITION"].min(axis=0).tolist()
    )
    assert np.allclose(named["NORMAL"], mesh.normals[:, [0, 2, 1]] * (1, 1, -1))
    assert arrays[primitive["indices"]].max() == len(mesh.vertices) - 1
    assert ("COLOR_0" in named) == coloured
    if coloured:
        assert mesh.colours is not None
        light = named["COLOR_0"][:, :3] / 65535
        back = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
        assert np.abs(back - mesh.colours).max() < 1e-3
    assert document["asset"]["extras"]["DigitalSourceType"]  # type: ignore[index]


@pytest.mark.parametrize("coloured", [True, False])
def test_khronos_finds_no_fault(tmp_path: Path, coloured: bool) -> None:
    node = shutil.which("node")
    if (
        node is None
        or subprocess.run(
            [node, "-e", 'require("gltf-validator")'], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("there is no gltf-validator")
    path = tmp_path / "a.glb"
    parts = (ball("one", coloured=coloured), ball("two", 5.0, coloured=False))
    glb.write(path, Meshes(parts), Stamp(recipe_of(1)))
    done = subprocess.run(
        [node, "-e", VALIDATE], input=path.read_bytes(), capture_output=True, check=True
    )
    assert json.loads(done.stdout)["messages"] == []


def test_stl_without_room_says_so(tmp_path: Path) -> None:
    few = trimesh.creation.box()
    mesh = Mesh(
        floats(few.vertices), np.asarray(few.faces, dtype=np.int32), floats(few.vertex_normals)
    )
    with pytest.raises(OutputError, match=r"^An \.stl of 12 triangles has no room .* which takes"):
        stl.write(tmp_path / "a.stl", Meshes((mesh,)), Stamp(recipe_of(1)))
    stl.write(tmp_path / "a.stl", Meshes((mesh,)), None)
    assert loaded(tmp_path / "a.stl").is_watertight


def test_points_are_points(tmp_path: Path) -> None:
    mesh = ball()
    points = Points(mesh.vertices, mesh.normals, mesh.colours)
    ply.write(tmp_path / "a.ply", points, Stamp(recipe_of(1)))
    found = loaded(tmp_path / "a.ply")
    assert isinstance(found, trimesh.PointCloud)
    assert np.array_equal(found.vertices, mesh.vertices)
    assert reading.read(tmp_path / "a.ply").recipe("it") == recipe_of(1)


def test_splats_are_in_the_layout_of_3dgs(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    turns = random.normal(size=(5, 4))
    made = Splats(
        positions=floats(random.normal(size=(5, 3))),
        scales=floats(random.uniform(0.1, 1, size=(5, 3))),
        rotations=floats(turns / np.linalg.norm(turns, axis=1, keepdims=True)),
        opacities=floats(random.uniform(0.1, 0.9, size=5)),
        harmonics=floats(random.normal(size=(5, 9, 3))),
    )
    splat_ply.write(tmp_path / "a.ply", made, Stamp(recipe_of(1)))
    table = plyfile.PlyData.read(tmp_path / "a.ply")["vertex"].data
    rest = [f"f_rest_{k}" for k in range(24)]
    assert table.dtype.names == (
        *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", *rest, "opacity"),
        *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
    )
    assert np.allclose(np.exp(table["scale_1"]), made.scales[:, 1])
    assert np.allclose(1 / (1 + np.exp(-table["opacity"])), made.opacities)
    assert np.array_equal(table["f_dc_2"], made.harmonics[:, 0, 2])
    # As 3DGS reads them: (n, 3, functions − 1).
    read = np.stack([table[name] for name in rest], axis=1).reshape(5, 3, 8)
    assert np.array_equal(read, made.harmonics[:, 1:].transpose(0, 2, 1))
    assert reading.read(tmp_path / "a.ply").generated
