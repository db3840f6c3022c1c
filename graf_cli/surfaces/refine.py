"""Vertices are brought onto the level itself, and get the normals of the density."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graf_cli.surfaces.field import Field
from graf_cli.surfaces.libraries import require
from graf_cli.surfaces.shapes import Indices

BASE = 0.4  # of a step, half the base of a difference: see `graf_cli.rendering.normals`
FARTHEST = 0.5  # of a cell that a vertex may be moved
LAMBDA, MU = (
    0.5,
    -0.53,
)  # of Taubin's smoothing: what it takes away with one, it adds with the other

Doubles = NDArray[np.float64]
Sparse = Any  # a matrix of SciPy, which has no types


def gradient(field: Field, points: Tensor) -> Tensor:
    """Of raw density, shape = (n, 3), by central differences over 0.4 steps to either side."""
    base = BASE * field.step
    axes = torch.eye(3, device=points.device, dtype=points.dtype) * base
    ways = torch.cat((axes, -axes))
    around = (points[:, None] + ways).reshape(-1, 3)
    ahead, behind = field.density(around).view(-1, 2, 3).unbind(dim=1)
    return (ahead - behind) / (2 * base)


def onto_level(
    field: Field, vertices: Doubles, level: float, cell: float, slopes: Doubles | None = None
) -> tuple[Doubles, Doubles]:
    """A step of Newton's along the gradient, and unit normals away from the object.

    Parameters
    ----------
    field : Field
    vertices : ndarray, shape = (n, 3)
    level : float
        Raw density.
    cell : float
        Side of a cell, world units.
    slopes : ndarray, shape = (n, 3), optional
        The gradients, where they are known; a network is else asked six times more a vertex.

    Returns
    -------
    vertices, normals : ndarray, shape = (n, 3)
    """
    points = torch.as_tensor(vertices, device="cpu", dtype=torch.float32).to(device=field.device)
    if slopes is None:
        slope = gradient(field, points)
    else:
        known = torch.as_tensor(slopes, device="cpu", dtype=torch.float32)
        slope = known.to(device=field.device)
    steepness = slope.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    off = (level - field.density(points))[:, None]
    farthest = FARTHEST * cell
    step = (off / steepness).clamp(min=-farthest, max=farthest)
    moved = points + slope / steepness * step
    normals = -slope / steepness
    return tuple(found.to(device="cpu", dtype=torch.float64).numpy() for found in (moved, normals))


def smoothed(vertices: Doubles, faces: Indices, rounds: int) -> Doubles:
    """Taubin's smoothing (1995): each round moves vertices to the means of their neighbours and
    back by a little more, which keeps the volume.
    """  # noqa: D205 - one sentence
    if not rounds:
        return vertices
    means = neighbours(faces, len(vertices))
    for _ in range(rounds):
        for factor in (LAMBDA, MU):
            vertices = vertices + factor * (means @ vertices - vertices)
    return vertices


def neighbours(faces: Indices, count: int) -> Sparse:
    """A sparse matrix that gives each vertex the mean of its neighbours, shape = (count, count)."""
    sparse = require("scipy.sparse")
    a, b = faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()
    ones = np.ones(len(a))
    edges = sparse.coo_array((ones, (a, b)), (count, count)).tocsr()
    edges = ((edges + edges.T) > 0).astype(np.float64)
    degree = np.asarray(edges.sum(axis=1)).ravel()
    return sparse.dia_array((1 / np.maximum(degree, 1)[None], [0]), (count, count)) @ edges
