"""Triangles seen by a camera: which one each pixel meets first, and where in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graf_cli.scene.camera import Camera
from graf_cli.surfaces.shapes import Indices

Doubles = NDArray[np.float64]
WIDEST = 64  # pixels along a box of a triangle that is tried pixel by pixel with others of its size


@dataclass(frozen=True, eq=False)
class Seen:
    """What the pixels of a picture meet.

    Attributes
    ----------
    pixel : ndarray of int64, shape = (n,)
        Counted row by row; those that meet something.
    face : ndarray of int64, shape = (n,)
    weights : ndarray, shape = (n, 3)
        Of the face's corners; they sum to 1.
    depth : ndarray, shape = (n,)
        Along the optical axis, world units.
    """

    pixel: NDArray[np.int64]
    face: NDArray[np.int64]
    weights: Doubles
    depth: Doubles

    def only(self, some: NDArray[np.bool_]) -> Seen:
        """Those of some pixels."""
        return Seen(self.pixel[some], self.face[some], self.weights[some], self.depth[some])


def projected(camera: Camera, points: Doubles) -> Doubles:
    """Column, row and depth along the optical axis of world points, shape = (n, 3)."""
    local = (points - camera.eye) @ camera.pose[:, :3]
    depth = -local[:, 2]
    if camera.orthographic:
        step = (camera.far - camera.near) / camera.width
        column = local[:, 0] / step + camera.width * 0.5
        row = -local[:, 1] / step * camera.height / camera.height + camera.height * 0.5
        return np.stack([column, row, depth], axis=1)
    fx, fy, cx, cy = camera.lens
    safe = np.maximum(depth, 1e-9)
    return np.stack([local[:, 0] / safe * fx + cx, -local[:, 1] / safe * fy + cy, depth], axis=1)


def raster(camera: Camera, vertices: Doubles, faces: Indices) -> Seen:
    """The first triangle at each pixel's own ray."""
    corners = projected(camera, vertices)[faces]  # (m, 3, 3)
    a, b, c = (corners[:, k] for k in range(3))  # by pairs, five times as fast as by an axis of 3
    nearest_corner = np.minimum(np.minimum(a, b), c)
    low = np.ceil(nearest_corner[:, :2]).astype(np.int64)
    high = np.floor(np.maximum(np.maximum(a, b), c)[:, :2]).astype(np.int64)
    size = np.array([camera.width, camera.height])
    low, high = np.maximum(low, 0), np.minimum(high, size - 1)
    there = (high[:, 0] >= low[:, 0]) & (high[:, 1] >= low[:, 1]) & (nearest_corner[:, 2] > 0)
    nearest = np.full(camera.width * camera.height, np.inf)
    face = np.full(len(nearest), -1, np.int64)
    weights = np.zeros((len(nearest), 3))
    widths = np.maximum(np.maximum(*(high - low + 1).T), 1)
    side = 1
    while there.any():
        group = np.flatnonzero(there & (widths <= side))
        there[group] = False
        _tried(camera, corners, group, low, high, side, nearest, face, weights)
        side *= 2
    met = np.flatnonzero(face >= 0)
    return Seen(met, face[met], weights[met], nearest[met])


def _tried(  # noqa: PLR0917 - arrays that are filled
    camera: Camera, corners: Doubles, group: NDArray[np.int64], low: NDArray[np.int64],
    high: NDArray[np.int64], side: int, nearest: Doubles, face: NDArray[np.int64], weights: Doubles,
) -> None:  # fmt: skip
    """Every pixel of the boxes of some triangles, `side` pixels wide at most."""
    block = max((1 << 22) // (side * side), 1)
    for start in range(0, len(group), block):
        some = group[start : start + block]
        at = np.arange(side)
        column = low[some, 0, None, None] + at[None, None, :]
        row = low[some, 1, None, None] + at[None, :, None]
        inside = (column <= high[some, 0, None, None]) & (row <= high[some, 1, None, None])
        which, v, u = np.nonzero(inside)
        triangle = some[which]
        pixel = (low[triangle, 1] + v) * camera.width + low[triangle, 0] + u
        share = _shares(corners[triangle], low[triangle, 0] + u, low[triangle, 1] + v)
        hit = np.minimum(np.minimum(share[:, 0], share[:, 1]), share[:, 2]) >= -1e-9
        triangle, pixel, share = triangle[hit], pixel[hit], share[hit]
        # Perspective: shares on the picture become those on the triangle.
        if not camera.orthographic:
            share = share / corners[triangle, :, 2]
            share /= share.sum(axis=1, keepdims=True)
        depth = (share * corners[triangle, :, 2]).sum(axis=1)
        order = np.argsort(-depth, kind="stable")  # the nearest comes last, and stays
        triangle, pixel, share, depth = triangle[order], pixel[order], share[order], depth[order]
        first = np.full(len(nearest), np.inf)
        first[pixel] = depth
        keep = (depth == first[pixel]) & (depth < nearest[pixel])
        pixel = pixel[keep]
        nearest[pixel], face[pixel], weights[pixel] = depth[keep], triangle[keep], share[keep]


def _shares(corners: Doubles, column: NDArray[np.int64], row: NDArray[np.int64]) -> Doubles:
    """Barycentric coordinates of pixels on the picture, shape = (n, 3)."""
    (ax, ay), (bx, by), (cx, cy) = (corners[:, k, :2].T for k in range(3))
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    safe = np.where(np.abs(area) < 1e-12, np.inf, area)
    b = ((column - ax) * (cy - ay) - (row - ay) * (cx - ax)) / safe
    c = ((bx - ax) * (row - ay) - (by - ay) * (column - ax)) / safe
    empty = np.isinf(safe)
    shares = np.stack([1 - b - c, b, c], axis=1)
    shares[empty] = -1
    return shares
