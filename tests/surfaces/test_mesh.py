"""Meshes of fields whose surface is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

import graf_cli as graf
from graf_cli.errors import SurfaceError
from graf_cli.surfaces import lattice, libraries, marching, mesh, refine
from graf_cli.surfaces.field import Field
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.raster import raster
from graf_cli.surfaces.rough import around
from graf_cli.surfaces.shapes import DensityGrid, Mesh, Points
from graf_cli.surfaces.source import source_of
from tests.rendering.fast import crafted
from tests.surfaces.objects import HALF, first_met, height, mesh_of, shot_of, source, taken
from tests.surfaces.scenes import Objects, ball

CENTRE = (0.1, -0.2, 0.05)
LEVEL = np.log(2) / (4 / 31)  # of a camera from 2 to 6 with 32 samples
SHRUNK = 1 - (LEVEL + 15) / 75  # of a tent's half-widths, where its density is that


def solid(found: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(found.vertices, found.faces, process=False)


@pytest.fixture(scope="module")
def tent() -> Mesh:
    return mesh_of(crafted.tent(CENTRE, HALF), resolution=32, level=LEVEL)


def test_it_is_closed_and_the_right_way_out(tent: Mesh) -> None:
    found = solid(tent)
    assert found.is_watertight
    assert found.is_winding_consistent
    assert mesh.closed(tent.faces)
    # The volume of an octahedron: cut edges lose a little.
    whole = 4 / 3 * np.prod(HALF) * SHRUNK**3
    assert 0.96 * whole < found.volume < whole
    assert (found.vertex_normals * tent.normals).sum(axis=1).mean() > 0.97


def test_vertices_lie_on_the_level_where_the_object_is(tent: Mesh) -> None:
    vertices = tent.vertices.astype(np.float64)
    # Where edges are cut off there is no gradient to follow to them.
    assert np.median(np.abs(height(vertices, CENTRE, HALF) - LEVEL)) < 1e-3
    assert np.allclose(vertices.mean(axis=0), CENTRE, atol=0.01)


def test_normals_are_those_of_the_density(tent: Mesh) -> None:
    assert np.allclose(np.linalg.norm(tent.normals, axis=1), 1, atol=1e-5)
    flat = np.sign(tent.vertices - np.array(CENTRE)) / HALF
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    assert np.median((flat * tent.normals).sum(axis=1)) > 0.999


def test_it_looks_like_the_exact_picture(tent: Mesh) -> None:
    generator = crafted.tent(CENTRE, HALF)
    frame = graf.render(generator, azimuth=70, elevation=20, size=32)
    face = first_met(frame.shot.camera, tent)
    mask = (face >= 0).reshape(32, 32)
    there = frame.opacity > 0.5
    assert (mask & there).sum() / (mask | there).sum() > 0.9
    assert tent.colours is not None
    ours = tent.colours[tent.faces[face[mask.ravel()]]].mean(axis=1)
    # The field has one colour everywhere.
    assert np.abs(ours - [0.8808, 0.5, 0.1192]).max() < 5e-3


def test_the_rasteriser_meets_what_every_ray_meets_first(tent: Mesh) -> None:
    camera = shot_of(crafted.tent(CENTRE, HALF), azimuth=200, elevation=35, size=24).camera
    wanted = first_met(camera, tent)
    seen = raster(camera, tent.vertices.astype(np.float64), tent.faces)
    found = np.full(len(wanted), -1)
    found[seen.pixel] = seen.face
    assert ((found >= 0) == (wanted >= 0)).all()
    assert (found == wanted).mean() > 0.99  # but for pixels on an edge
    points = (tent.vertices[tent.faces[seen.face]] * seen.weights[..., None]).sum(axis=1)
    depth = (points - camera.eye) @ -camera.pose[:, 2]
    assert np.allclose(depth, seen.depth)


def test_slabs_make_the_same_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    made = source(crafted.tent(CENTRE, HALF))
    with torch.inference_mode():
        level = made.field.raw(made.field.surface)
        over = lattice.lattice_over(made.box, 48)
        assert over.stride == 2
        whole = marching.triangles(made.field, over, level)
        monkeypatch.setattr(lattice, "SLAB_NODES", 1)
        parts = marching.triangles(made.field, over, level)
    assert mesh.closed(parts[1])
    assert len(parts[0]) == len(whole[0])
    assert len(parts[1]) == len(whole[1])
    assert np.allclose(np.sort(parts[0], axis=0), np.sort(whole[0], axis=0), atol=1e-9)


def test_nodes_tell_the_gradient_where_they_are_close(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = Objects(ball)
    made = source_of(objects, objects.shot(), objects.camera)
    with torch.inference_mode():
        density, fine = mesh.where(made, Export(kind="mesh", resolution=64))
        level = made.field.raw(density)
        assert fine.side < marching.CLOSE * made.field.step
        vertices, _, slopes = marching.triangles(made.field, fine, level)
        assert slopes is not None
        told = refine.onto_level(made.field, vertices, level, fine.side, slopes)
        exact = refine.onto_level(made.field, vertices, level, fine.side)
        assert (told[1] * exact[1]).sum(axis=1).min() > 0.9995
        assert np.abs(told[0] - exact[0]).max() < 0.01 * fine.side
        coarse = mesh.where(made, Export(kind="mesh", resolution=16))[1]
        assert marching.triangles(made.field, coarse, level)[2] is None
        monkeypatch.setattr(lattice, "SLAB_NODES", 1)
        assert marching.triangles(made.field, fine, level)[2] is None


@pytest.mark.parametrize("width", [(0.9, 0.6, 0.75), (1.0, 1.0, 0.12)])  # and a thin one
def test_no_node_is_on_the_wrong_side(
    width: tuple[float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, asked, ask = source(crafted.tent(CENTRE, width)), [0], Field.ask

    def counted(field: Field, run: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
        asked.append(len(points))
        return ask(field, run, points)

    monkeypatch.setattr(Field, "ask", counted)
    with torch.inference_mode():
        level = made.field.raw(made.field.surface)
        over = lattice.lattice_over(around(made.field, LEVEL, made.box), 96)
        assert over.stride == 4
        asked.clear()
        [slab] = lattice.slabs(made.field, over, level)
        few = sum(asked)
        x, y, z = (over.axis(k, 1, made.field.device) for k in range(3))
        exact = made.field.density(torch.cartesian_prod(x, y, z)).view(slab.raw.shape)
    assert ((slab.raw >= level) == (exact >= level)).all()
    assert few < 0.5 * exact.numel()  # most were never asked


def test_a_thin_object_is_closed() -> None:
    assert mesh.closed(mesh_of(crafted.tent((0, 0, 0), (1.0, 1.0, 0.12)), resolution=40).faces)


def test_what_reaches_the_end_of_the_box_is_cut_off_flat() -> None:
    found = mesh_of(crafted.tent((0, 0, 0), (0, 0.5, 0.5)), resolution=16)
    assert solid(found).is_watertight
    box = source(crafted.tent((0, 0, 0), (0, 0.5, 0.5))).box
    assert np.allclose(found.vertices[:, 0].max(), box.high[0], atol=0.02)


@pytest.mark.parametrize(
    ("density", "sentence"),
    [
        (0.5, r"stops 6% of the light"),  # a haze
        (-3.0, r"stops nearly no light"),
        (50.0, r"fills the whole box"),
    ],
)
def test_what_has_no_surface_says_so(density: float, sentence: str) -> None:
    with pytest.raises(SurfaceError, match=sentence):
        taken(crafted.constant(density), resolution=16)


def test_a_translucent_object_has_one_at_a_lower_level() -> None:
    generator = crafted.tent((0, 0, 0), HALF)
    with pytest.raises(SurfaceError, match=r"it has 60 where .* give a `level` below"):
        taken(generator, level=100.0, resolution=16)
    low = solid(mesh_of(generator, level=1.0, resolution=16)).volume
    high = solid(mesh_of(generator, level=30.0, resolution=16)).volume
    assert low > 2 * high


def test_fewer_faces_are_closed_too(tent: Mesh) -> None:
    for count in (300, 40):
        found = mesh_of(crafted.tent(CENTRE, HALF), resolution=32, faces=count, level=LEVEL)
        assert len(found.faces) <= count
        assert solid(found).is_watertight
        assert abs(solid(found).volume / solid(tent).volume - 1) < 0.05


@pytest.mark.parametrize("resolution", [31, 34, 40])
def test_few_faces_do_not_fold_an_object(resolution: int) -> None:
    made = source(crafted.tent(CENTRE, HALF))
    with torch.inference_mode():
        level = made.field.raw(LEVEL)
        over = lattice.lattice_over(around(made.field, LEVEL, made.box), resolution)
        vertices, faces, _ = marching.triangles(made.field, over, level)
    few = mesh.simplified(vertices, faces, 30)
    assert len(few[1]) <= 30
    assert mesh.volume(*few) == pytest.approx(mesh.volume(vertices, faces), rel=0.05)


def test_smoothing_keeps_the_volume(tent: Mesh) -> None:
    found = mesh_of(crafted.tent(CENTRE, HALF), resolution=32, smooth=10, level=LEVEL)
    assert np.array_equal(found.faces, tent.faces)
    assert abs(solid(found).volume / solid(tent).volume - 1) < 0.02
    assert solid(found).area < solid(tent).area


def test_the_same_object_gives_the_same_bits(tent: Mesh) -> None:
    again = mesh_of(crafted.tent(CENTRE, HALF), resolution=32, level=LEVEL)
    assert again.vertices.tobytes() == tent.vertices.tobytes()
    assert again.colours is not None
    assert tent.colours is not None
    assert again.colours.tobytes() == tent.colours.tobytes()


def test_a_missing_library_is_told_with_what_to_install() -> None:
    with pytest.raises(SurfaceError, match=r'^Surfaces need the library nowhere.*"graf\[export\]"'):
        libraries.require("nowhere.module")


def test_points_are_the_vertices(tent: Mesh) -> None:
    found = taken(crafted.tent(CENTRE, HALF), "points", resolution=32, level=LEVEL)
    assert isinstance(found, Points)
    assert np.array_equal(found.positions, tent.vertices)


def test_a_grid_has_the_densities_of_its_nodes() -> None:
    found = taken(crafted.tent(CENTRE, HALF), "grid", resolution=16)
    assert isinstance(found, DensityGrid)
    assert max(found.density.shape) == 17
    ends = zip(found.box.low, found.box.high, found.density.shape, strict=True)
    axes = [np.linspace(low, high, count) for low, high, count in ends]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    wanted = np.maximum(height(nodes.reshape(-1, 3), CENTRE, HALF), 0)
    assert np.allclose(found.density.ravel(), wanted, atol=1e-3)
