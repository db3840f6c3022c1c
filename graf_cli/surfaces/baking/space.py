"""What the model's own cameras see: the part of space that is worth baking.

A network answers everywhere, also where no training camera looked, and what it says there is
nobody's object. So a field is looked at only where rays of cameras of the training range pass,
between their first sample and their last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.scene.camera import Camera, Rays, camera_for, pose_on_sphere, rays
from graf_cli.scene.spec import CameraSpec
from graf_cli.scene.volume import Scene
from graf_cli.surfaces.baking.lattice import Lattice, dilated

AZIMUTHS, ELEVATIONS = 12, 3  # cameras; neighbours' pictures overlap by far at usual fields of view
SIDE, ALONG = 32, 48  # rays along a side of their pictures, and looks along each
CELLS = 48  # along each axis of the cube that holds all of it: a tenth of a usual object
SAME_LINE = 1e-4  # relative; how far a ray may be off where it was before it was warped


@dataclass(frozen=True, eq=False)
class Space:
    """The cube around the origin in which rays have their samples, and where in it they are.

    Attributes
    ----------
    half : float
        Half the cube's side, world units.
    cells : Tensor of bool, shape = (n, n, n)
        Axes z, y, x: whether a ray passes through a cell or one beside it.
    backs : Tensor of bool, shape = (n, n, n)
        Whether a ray's last sample is in a cell or one beside it.
    ends : tuple of 2 floats
        The nearest and the farthest depth of a sample.
    towards : Tensor, shape = (m, 3)
        Unit directions from the object to the cameras.
    aside : float
        Cosine of the angle between a camera's direction and a ray at the side of its picture.
    """

    half: float
    cells: Tensor
    backs: Tensor
    ends: tuple[float, float]
    towards: Tensor
    aside: float

    @property
    def lattice(self) -> Lattice:
        """Of the cells."""
        half = torch.full((3,), self.half, device=self.cells.device, dtype=torch.float32)
        return Lattice.over(-half, half, len(self.cells))


def cameras(spec: CameraSpec) -> list[Camera]:
    """Cameras spread over the training range, with pictures of few pixels."""
    low, high = spec.azimuth
    whole = high - low >= 360
    turns = np.linspace(low, high, AZIMUTHS, endpoint=not whole)
    found = []
    for radius in sorted(set(spec.radius)):
        for elevation in np.linspace(*spec.elevation, ELEVATIONS):
            for azimuth in turns:
                pose = pose_on_sphere(float(azimuth), float(elevation), radius, spec.pivot)
                found.append(camera_for(spec, pose, width=SIDE, height=SIDE))
    return found


def space_of(scene: Scene, spec: CameraSpec, device: torch.device) -> Space | None:
    """Where the rays of the training cameras have their samples.

    Returns
    -------
    Space or None
        None where the scene bends its rays, so that it is not in the world's own space.
    """
    points, ends, towards = [], [], []
    t = torch.linspace(0, 1, ALONG, device=device, dtype=torch.float32)
    for camera in cameras(spec):
        straight = rays(camera, device=device, dtype=torch.float32)
        through = straight if scene.warp is None else scene.warp(straight, camera)
        if through is not straight and _bent(straight, through):
            return None
        z = through.near * (1 - t) + through.far * t
        points.append(through.origins[:, None] + through.directions[:, None] * z[..., None])
        ends += [float(through.near.min()), float(through.far.max())]
        towards.append(torch.as_tensor(camera.pose[:, 2], device=device, dtype=torch.float32))
    every = torch.cat(points)
    half = float(every.abs().max()) * (1 + 1 / CELLS)
    # All cameras have one lens; these are the rays of the last one.
    row = functional.normalize(through.directions[SIDE * SIDE // 2 :][:SIDE], dim=-1)
    return Space(
        half=half,
        cells=_hit(every.reshape(-1, 3), half),
        backs=_hit(every[:, -1], half),
        ends=(min(ends), max(ends)),
        towards=functional.normalize(torch.stack(towards), dim=-1),
        aside=float((row @ -towards[-1]).min()),
    )


def _hit(points: Tensor, half: float) -> Tensor:
    """Cells that points, shape = (n, 3), are in or beside; of a cube of so much half a side."""
    cell = ((points / half + 1) * (CELLS / 2)).long().clamp(0, CELLS - 1)
    hit = torch.zeros((CELLS,) * 3, device=points.device, dtype=torch.bool)
    hit[cell[:, 2], cell[:, 1], cell[:, 0]] = True
    return dilated(hit, 1)


def _bent(straight: Rays, through: Rays) -> bool:
    """Whether a ray is along another line than before."""
    unit = functional.normalize(straight.directions, dim=-1)
    start = through.origins + through.directions * through.near - straight.origins
    off = start - (start * unit).sum(dim=-1, keepdim=True) * unit
    turned = functional.normalize(through.directions, dim=-1) - unit
    scale = start.norm(dim=-1).max()
    return bool(off.norm(dim=-1).max() > SAME_LINE * scale or turned.abs().max() > SAME_LINE)
