"""Objects whose surface is known, and what a camera sees of triangles, tried one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray

import graf_cli as graf
from graf_cli.model.generator import Generator
from graf_cli.rendering.shot import Shot
from graf_cli.scene.camera import Camera, rays
from graf_cli.shots import Shots
from graf_cli.surfaces.extract import extract
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.shapes import Mesh, Meshes, Shape
from graf_cli.surfaces.source import Source, source_of

Doubles = NDArray[np.float64]
HALF = (0.9, 0.6, 0.75)  # of a tent: where its density is 15 below nothing
DENSEST, OUTSIDE = 60.0, -15.0


def shot_of(generator: Generator, **view: object) -> Shot:
    """Of an object, from the middle of the training range."""
    return Shots(graf.sweep(generator, **view), generator.spec)[0]


def source(generator: Generator) -> Source:
    """What shapes are taken out of."""
    return source_of(generator, shot_of(generator), generator.spec.camera)


def taken(generator: Generator, kind: str = "mesh", **said: Any) -> Shape:
    """A shape of the object."""
    export = Export(kind=kind, **said)  # type: ignore[arg-type]
    return extract(generator, shot_of(generator), generator.spec.camera, export)


def mesh_of(generator: Generator, **said: Any) -> Mesh:
    """The only mesh of the object."""
    made = taken(generator, **said)
    assert isinstance(made, Meshes)
    [mesh] = made.parts
    return mesh


def height(points: Doubles, centre: tuple[float, float, float], half: tuple[float, ...]) -> Doubles:
    """The density of a tent, raw."""
    away = (np.abs(points - centre) / half).sum(axis=1)
    return np.asarray(OUTSIDE + (DENSEST - OUTSIDE) * np.maximum(1 - away, 0))


def floats(values: Any) -> NDArray[np.float32]:
    """As shapes have them."""
    return np.asarray(values, dtype=np.float32)


def loaded(path: Path, **how: Any) -> Any:
    """What trimesh reads of a file."""
    return trimesh.load(path, **how)


def first_met(camera: Camera, mesh: Mesh) -> NDArray[np.int64]:
    """The triangle that each pixel meets first, −1 where none, by Möller and Trumbore (1997)."""
    cast = rays(camera, device=torch.device("cpu"), dtype=torch.float64)
    origins, directions = (t.numpy()[:, None] for t in (cast.origins, cast.directions))
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    across = np.cross(directions, (c - a)[None])
    det = (across * (b - a)).sum(-1)
    inverse = 1 / np.where(np.abs(det) < 1e-14, np.inf, det)
    from_a = origins - a
    u = (from_a * across).sum(-1) * inverse
    over = np.cross(from_a, (b - a)[None])
    v = (directions * over).sum(-1) * inverse
    t = ((c - a) * over).sum(-1) * inverse
    hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (det != 0)
    depth = np.where(hit, t, np.inf)
    return np.where(hit.any(axis=1), depth.argmin(axis=1), -1)
