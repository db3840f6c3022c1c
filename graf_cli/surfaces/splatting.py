"""Gaussians seen by a camera, as viewers of 3DGS files composite them (Kerbl et al. 2023, §4, §6).

Letters: ``Σ`` covariance in the world, ``J`` the projection's derivative at a centre, ``W`` world
to camera, ``Σ′ = J W Σ Wᵀ Jᵀ + 0.3`` covariance on the picture, pixels²; ``α = o exp(−½ dᵀ Σ′⁻¹
d)`` what a splat takes away at an offset d from its centre, ``T`` the transmittance in front of it
in the order of centres, ``w = α T`` its weight in a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graf_cli.scene.camera import Camera
from graf_cli.surfaces.harmonics import basis
from graf_cli.surfaces.raster import projected
from graf_cli.surfaces.shapes import Splats

Doubles = NDArray[np.float64]
Numbers = NDArray[np.int64]
BLUR = 0.3  # pixels², added to each covariance, so that no splat falls between pixels
FAINTEST = 1 / 255  # α below which a splat is left out
MOST = 0.99  # α at most
REACH = 3.0  # standard deviations from a centre that are looked at
LEAST = 1e-4  # weight below which a pair is left out


@dataclass(frozen=True, eq=False)
class Weights:
    """Which splats a picture is made of.

    Attributes
    ----------
    pixel, splat : ndarray of int64, shape = (n,)
        Pixels counted row by row.
    weight : ndarray, shape = (n,)
    """

    pixel: Numbers
    splat: Numbers
    weight: Doubles


def rotations(quaternions: Doubles) -> Doubles:
    """Matrices, shape = (n, 3, 3), of unit quaternions w x y z."""
    w, x, y, z = quaternions.T
    return np.stack(
        [
            1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
        ],
        axis=-1,
    ).reshape(-1, 3, 3)  # fmt: skip


def weights(made: Splats, camera: Camera) -> Weights:
    """The weight of each splat in each pixel that it touches."""
    centre = projected(camera, made.positions.astype(np.float64))
    inverse, radius = _on_picture(made, camera)
    low = np.ceil(centre[:, :2] - radius[:, None]).astype(np.int64)
    high = np.floor(centre[:, :2] + radius[:, None]).astype(np.int64)
    size = np.array([camera.width, camera.height])
    low, high = np.maximum(low, 0), np.minimum(high, size - 1)
    there = (high >= low).all(axis=1) & (centre[:, 2] > 0)
    opacity = made.opacities.astype(np.float64)
    pixels, splats, alphas = [], [], []
    widths = (high - low + 1).max(axis=1)
    for side in np.unique(widths[there]):
        some = np.flatnonzero(there & (widths == side))
        v, u = np.divmod(np.arange(side * side), side)
        column, row = low[some, 0, None] + u, low[some, 1, None] + v
        dx, dy = column - centre[some, 0, None], row - centre[some, 1, None]
        a, b, c = (inverse[some, k, None] for k in range(3))
        alpha = opacity[some, None] * np.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy))
        inside = (column <= high[some, 0, None]) & (row <= high[some, 1, None])
        k, at = np.nonzero(inside & (alpha > FAINTEST))
        pixels.append(row[k, at] * camera.width + column[k, at])
        splats.append(some[k])
        alphas.append(alpha[k, at])
    if not pixels:
        nothing = np.zeros(0, np.int64)
        return Weights(nothing, nothing, np.zeros(0))
    return _composited(
        np.concatenate(pixels), np.concatenate(splats), np.concatenate(alphas), centre[:, 2]
    )


def _on_picture(made: Splats, camera: Camera) -> tuple[Doubles, Doubles]:
    """Inverses of covariances on the picture, shape = (n, 3) of xx xy yy, and radii in pixels."""
    axes = rotations(made.rotations.astype(np.float64)) * made.scales[:, None, :].astype(np.float64)
    local = (made.positions.astype(np.float64) - camera.eye) @ camera.pose[:, :3]
    depth = np.maximum(-local[:, 2], 1e-9)
    turned = np.einsum("ji,njk->nik", camera.pose[:, :3], axes)  # into the camera's axes
    if camera.orthographic:
        across = camera.width / (camera.far - camera.near)
        first = across * turned[:, 0]
        second = -across * turned[:, 1]
    else:
        fx, fy, _, _ = camera.lens
        # x/depth with depth = −z: d(x/−z) = dx/depth + x dz/depth².
        first = fx * (turned[:, 0] + (local[:, 0] / depth)[:, None] * turned[:, 2]) / depth[:, None]
        second = -fy * (turned[:, 1] + (local[:, 1] / depth)[:, None] * turned[:, 2])
        second /= depth[:, None]
    xx = (first * first).sum(axis=1) + BLUR
    xy = (first * second).sum(axis=1)
    yy = (second * second).sum(axis=1) + BLUR
    determinant = xx * yy - xy * xy
    largest = (xx + yy) / 2 + np.sqrt(np.maximum(((xx - yy) / 2) ** 2 + xy * xy, 0))
    inverse = np.stack([yy, -xy, xx], axis=1) / determinant[:, None]
    return inverse, REACH * np.sqrt(largest)


def _composited(pixel: Numbers, splat: Numbers, alpha: Doubles, depth: Doubles) -> Weights:
    """Weights, front to back in each pixel."""
    order = np.lexsort((depth[splat], pixel))
    pixel, splat, alpha = pixel[order], splat[order], np.minimum(alpha[order], MOST)
    taken = np.log1p(-alpha)
    before = np.cumsum(taken) - taken
    begins = np.r_[True, pixel[1:] != pixel[:-1]]
    start = np.maximum.accumulate(np.where(begins, np.arange(len(pixel)), 0))
    weight = alpha * np.exp(before - before[start])
    kept = weight > LEAST
    return Weights(pixel[kept], splat[kept], weight[kept])


def toward(made: Splats, camera: Camera) -> Doubles:
    """Unit directions from the camera to each splat, shape = (n, 3)."""
    if camera.orthographic:
        return np.broadcast_to(-camera.pose[:, 2], made.positions.shape)
    away = made.positions.astype(np.float64) - camera.eye
    return np.asarray(away / np.linalg.norm(away, axis=1, keepdims=True))


def composited(made: Splats, camera: Camera) -> tuple[Doubles, Doubles]:
    """The picture on black, shape = (H, W, 3), and its opacity, shape = (H, W)."""
    degree = int(np.sqrt(made.harmonics.shape[1])) - 1
    values = basis(toward(made, camera), degree)
    colours = np.maximum(0.5 + np.einsum("nj,njc->nc", values, made.harmonics), 0)
    found, count = weights(made, camera), camera.width * camera.height
    carried = np.concatenate([colours, np.ones((len(colours), 1))], axis=1)[found.splat]
    picture = np.zeros((count, 4))
    for k in range(4):
        picture[:, k] = np.bincount(found.pixel, found.weight * carried[:, k], count)
    whole = picture.reshape(camera.height, camera.width, 4)
    return whole[..., :3], whole[..., 3]
