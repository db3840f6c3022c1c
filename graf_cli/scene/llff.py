"""Cameras of LLFF's poses_bounds.npy, in the frames that NeRFs are trained in.

A row holds ``[R | eye | (h, w, f)]``, a 3 × 5 matrix whose columns of R are down, right and
backwards, and the nearest and farthest depth seen. A training scales positions so that the nearest
depth of all becomes 4/3, and then either moves the average camera to the origin (recentred) or
lets the cameras look from a sphere of radius 1 at the point that they all look at (spherified).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from graf_cli.arrays import Array

NUMBERS = 17  # of a row
NEAREST = 0.75  # of the scaled nearest depth this becomes 1, a margin before NDC's near plane
PERCENTILE = 90  # of the distances from the middle that a spiral goes
VIEWS, TURNS, RATE = 120, 2, 0.5  # of a spiral: views, turns, and swings forth and back a turn
ASIDE = np.array([0.1, 0.2, 0.3])  # any direction that is hardly ever upwards

Frame = Literal["recentred", "spherified"]


@dataclass(frozen=True, eq=False)
class PlacedCameras:
    """Cameras of a scene in the frame of its training.

    Attributes
    ----------
    poses : ndarray, shape = (n, 3, 4)
        Camera to world, OpenGL axes.
    near, far : float
        Nearest and farthest depth seen by any, world units.
    """

    poses: Array
    near: float
    far: float


def placed(table: Array, frame: Frame) -> PlacedCameras:
    """The cameras of a table, shape = (n, 17).

    Parameters
    ----------
    table : ndarray
    frame : str
        ``recentred`` or ``spherified``.
    """
    block = table[:, :15].reshape(-1, 3, 5).astype(np.float64)
    poses = np.stack([block[..., 1], -block[..., 0], block[..., 2], block[..., 3]], axis=-1)
    bounds = table[:, 15:].astype(np.float64)
    scale = 1 / (NEAREST * bounds.min())
    poses[..., 3] *= scale
    poses = _seen_from(average(poses), poses)
    if frame == "spherified":
        poses, more = _spherified(poses)
        scale *= more
    return PlacedCameras(poses, float(bounds.min() * scale), float(bounds.max() * scale))


def average(poses: Array) -> Array:
    """The camera amid some others, shape = (3, 4): mean position, mean view and mean up."""
    return looking(poses[:, :, 2].sum(0), poses[:, :, 1].sum(0), poses[:, :, 3].mean(0))


def looking(back: Array, up: Array, eye: Array) -> Array:
    """A camera at `eye` whose z axis is `back` and whose y axis is nearly `up`, (3, 4)."""
    z = _unit(back)
    x = _unit(np.cross(up, z))
    return np.stack([x, _unit(np.cross(z, x)), z, eye], axis=1)


@dataclass(frozen=True)
class Swing:
    """How far a spiral goes.

    Attributes
    ----------
    radii : (float, float, float)
        To the right, up and back.
    focus : float
        Distance ahead of the average camera at which all views look.
    """

    radii: tuple[float, float, float]
    focus: float


def swing_of(scene: PlacedCameras) -> Swing:
    """That of the release, for a recentred scene."""
    x, y, z = np.percentile(np.abs(scene.poses[:, :, 3]), PERCENTILE, axis=0).tolist()
    # Between the nearest and the farthest depth, three quarters of the way in disparity.
    close, distant = 0.9 * scene.near, 5 * scene.far
    return Swing((x, y, z), 1 / ((1 - 0.75) / close + 0.75 / distant))


def spiral(swing: Swing, middle: Array | None = None, views: int = VIEWS) -> Array:
    """Cameras on a spiral around the average one, shape = (views, 3, 4).

    Parameters
    ----------
    swing : Swing
    middle : ndarray, shape = (3, 4), optional
        The average camera; by default at the origin, looking along −z, as a recentred one does.
    views : int
    """
    middle = np.eye(4)[:3] if middle is None else middle
    rotation, centre = middle[:, :3], middle[:, 3]
    target = centre - swing.focus * rotation[:, 2]
    made = []
    for angle in np.linspace(0, 2 * np.pi * TURNS, views, endpoint=False):
        aside = np.array([np.cos(angle), -np.sin(angle), -np.sin(RATE * angle)])
        eye = centre + rotation @ (aside * swing.radii)
        made.append(looking(eye - target, rotation[:, 1], eye))
    return np.stack(made)


def _seen_from(middle: Array, poses: Array) -> Array:
    """Poses in the frame of one of them."""
    rotation, centre = middle[:, :3], middle[:, 3]
    turned = rotation.T @ poses
    turned[..., 3] -= rotation.T @ centre
    return turned


def _spherified(poses: Array) -> tuple[Array, float]:
    """The same around the point nearest to all optical axes, and what lengths were scaled by."""
    axes, eyes = poses[:, :, 2], poses[:, :, 3]
    # Projections off each axis; the point sought has the least sum of squared distances.
    off = np.eye(3) - axes[:, :, None] * axes[:, None]
    centre = np.linalg.solve(off.mean(0), (off @ eyes[..., None]).mean(0))[:, 0]
    up = _unit((eyes - centre).mean(0))
    x = _unit(np.cross(ASIDE, up))
    frame = np.stack([x, _unit(np.cross(up, x)), up, centre], axis=1)
    poses = _seen_from(frame, poses)
    scale = 1 / float(np.sqrt((poses[..., 3] ** 2).sum(-1).mean()))
    poses[..., 3] *= scale
    return poses, scale


def _unit(vector: Array) -> Array:
    unit: Array = vector / np.linalg.norm(vector)
    return unit
