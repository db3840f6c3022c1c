"""How far two views of one object agree: the surface of one carried into the other.

The depth of a pixel puts a point of the surface into the world; the other camera sees the point at
some pixel. Where that one's own depth is the same, both see the same point, and their colours are
compared. Where it is larger, one view has a surface at which the other looks through: they
contradict each other. Where it is smaller, something stands in between, which says nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graf_cli.rendering.shot import Frame
from graf_cli.scene.camera import Camera

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]

SOLID = 0.99  # opacity from which a pixel shows a surface and nothing behind it
# Of the distance from near to far, by which depths may differ and be of one surface: two samples
# of 64, between which the surface of a field is seen from different sides.
TOLERANCE = 2 / 64


@dataclass(frozen=True)
class Agreement:
    """Of some pairs of views, pixels of which both see the surface, and others.

    Attributes
    ----------
    compared : int
        Pixels whose point the other view sees as well.
    contradicted : int
        Pixels at whose point the other view looks through.
    hidden : int
        Pixels whose point something else stands before in the other view, or that lie beside its
        picture or on an edge of it.
    squares : float
        Sum over the compared pixels of the mean square difference of their channels.
    """

    compared: int = 0
    contradicted: int = 0
    hidden: int = 0
    squares: float = 0.0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.compared + other.compared,
            self.contradicted + other.contradicted,
            self.hidden + other.hidden,
            self.squares + other.squares,
        )

    @property
    def psnr(self) -> float | None:
        """Of the colours compared, dB; None where nothing was, or nothing differs."""
        if not self.compared or not self.squares:
            return None
        return -10 * math.log10(self.squares / self.compared)

    @property
    def contradicting(self) -> float:
        """Share of the points, seen or looked through, that are looked through."""
        judged = self.compared + self.contradicted
        return self.contradicted / judged if judged else 0.0


@dataclass(frozen=True, eq=False)
class Carried:
    """One view's colours and verdicts, as the pixels of another one.

    Attributes
    ----------
    rgb : ndarray, shape = (H, W, 3)
        What the other view shows of each pixel's point; 0 where it is not compared.
    compared, contradicted : ndarray of bool, shape = (H, W)
    agreement : Agreement
    """

    rgb: Numbers
    compared: Mask
    contradicted: Mask
    agreement: Agreement


def compare(frame: Frame, other: Frame) -> Carried:
    """Carry the surface that a frame shows into another frame of the same subject.

    Both have the model's colours, in which light that follows the eye (a highlight) counts as a
    difference, and depth along the optical axis.
    """
    camera, seen = frame.shot.camera, other.shot.camera
    solid = _surface(frame)
    points = _points(camera, _depth(frame))
    i, j, z = _projected(seen, points)
    with np.errstate(invalid="ignore"):
        inside = solid & (z > 0) & (i >= 0) & (i <= seen.width - 1)
        inside &= (j >= 0) & (j <= seen.height - 1)
    inside &= np.isfinite(i) & np.isfinite(j)
    left, top = (_floor(at, inside, most) for at, most in ((i, seen.width), (j, seen.height)))
    across: Numbers = np.where(inside, i, 0.0) - left
    down: Numbers = np.where(inside, j, 0.0) - top
    known, clear = _around(_surface(other), left, top), _around(_empty(other), left, top)
    depth = _interpolated(_depth(other)[..., None], left, top, across, down)[..., 0]
    slack = TOLERANCE * (seen.far - seen.near)
    near, far = z < depth - slack, z > depth + slack
    compared = inside & known & ~near & ~far
    contradicted = inside & ((known & near) | clear)
    rgb = _interpolated(other.rgb.astype(np.float64), left, top, across, down)
    rgb = np.where(compared[..., None], rgb, 0.0)
    apart = np.square(rgb - frame.rgb).mean(axis=-1)[compared]
    hidden = int(solid.sum()) - int(compared.sum()) - int(contradicted.sum())
    found = Agreement(int(compared.sum()), int(contradicted.sum()), hidden, float(apart.sum()))
    return Carried(rgb, compared, contradicted, found)


def _depth(frame: Frame) -> Numbers:
    """Of the surface, shape = (H, W): the expected depth of what is there."""
    return frame.depth / np.maximum(frame.opacity, 1e-6).astype(np.float64)


def _surface(frame: Frame) -> Mask:
    """Pixels that show a surface whose depth is not a mean of two.

    Depth falls evenly along a slanted surface; at an edge it does not, so that second differences
    tell one from the other.
    """
    depth, camera = _depth(frame), frame.shot.camera
    bent = np.zeros_like(depth)
    for axis in (0, 1):
        padded = np.pad(depth, [(1, 1) if axis == other else (0, 0) for other in (0, 1)], "edge")
        second = np.abs(np.diff(padded, n=2, axis=axis))
        bent = np.maximum(bent, second)
    solid = _extreme(frame.opacity > SOLID, np.minimum)
    return np.asarray(solid & (bent < TOLERANCE * (camera.far - camera.near)))


def _empty(frame: Frame) -> Mask:
    """Pixels that nothing is at, nor beside."""
    return np.asarray(_extreme(frame.opacity, np.maximum) < 1 - SOLID)


def _extreme(values: NDArray[Any], of: np.ufunc) -> NDArray[Any]:
    """Highest or lowest of each pixel and its eight neighbours; the border's is its own."""
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    parts = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.asarray(of.reduce(parts))


def _points(camera: Camera, depth: Numbers) -> Numbers:
    """World points of all pixels at depths along the axis, shape = (H, W, 3)."""
    i, j = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    lens = camera.lens
    local = np.stack(
        ((i - lens.cx) / lens.fx, -(j - lens.cy) / lens.fy, np.full(i.shape, -1.0)), axis=-1
    )
    points = (local * depth[..., None]) @ camera.pose[:, :3].T + camera.eye
    return np.asarray(points, dtype=np.float64)


def _projected(camera: Camera, points: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Pixel coordinates of world points, and their depths along the axis; shape = (H, W) each."""
    local = (points - camera.eye) @ camera.pose[:, :3]
    depth, lens = -local[..., 2], camera.lens
    with np.errstate(divide="ignore", invalid="ignore"):
        i = lens.cx + lens.fx * local[..., 0] / depth
        j = lens.cy - lens.fy * local[..., 1] / depth
    return i, j, depth


def _floor(at: Numbers, inside: Mask, most: int) -> NDArray[np.intp]:
    """The pixel before a coordinate, which has one behind it."""
    low = np.floor(np.where(inside, at, 0)).astype(np.intp)
    return np.clip(low, 0, max(most - 2, 0))


def _around(mask: Mask, left: NDArray[np.intp], top: NDArray[np.intp]) -> Mask:
    """Whether all four pixels around a coordinate are true."""
    right = np.minimum(left + 1, mask.shape[1] - 1)
    below = np.minimum(top + 1, mask.shape[0] - 1)
    return np.asarray(mask[top, left] & mask[top, right] & mask[below, left] & mask[below, right])


def _interpolated(
    planes: Numbers,
    left: NDArray[np.intp],
    top: NDArray[np.intp],
    across: Numbers,
    down: Numbers,
) -> Numbers:
    """Bilinear, shape = (H, W, n), of planes of shape (h, w, n)."""
    right = np.minimum(left + 1, planes.shape[1] - 1)
    below = np.minimum(top + 1, planes.shape[0] - 1)
    x, y = across[..., None], down[..., None]
    high = planes[top, left] * (1 - x) + planes[top, right] * x
    low = planes[below, left] * (1 - x) + planes[below, right] * x
    return np.asarray(high * (1 - y) + low * y)
