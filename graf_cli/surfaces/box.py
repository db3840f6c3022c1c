"""Boxes in the world: where a model's cameras look."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graf_cli.scene.camera import Camera
from graf_cli.scene.volume import Corners
from graf_cli.surfaces.shapes import Box


def seen_by(camera: Camera) -> Box:
    """The cube that the depths of a camera reach, around the middle of them.

    No farther to the sides than its picture does: beyond that nothing was ever seen, and a network
    may have anything there.
    """
    middle = (camera.near + camera.far) / 2
    half = (camera.far - camera.near) / 2
    if not camera.orthographic:
        fx, fy = camera.lens.fx, camera.lens.fy
        across = math.hypot(camera.width / fx, camera.height / fy) / 2  # half, at depth 1
        half = min(half, middle * across)
    centre = camera.eye - middle * camera.pose[:, 2]
    x, y, z = (float(value) for value in centre)
    return Box((x - half, y - half, z - half), (x + half, y + half, z + half))


def within(box: Box, bounds: Corners | None) -> Box:
    """The part of a box that a field is made for."""
    if bounds is None:
        return box
    low, high = bounds
    (x0, y0, z0) = (max(a, b) for a, b in zip(box.low, low, strict=True))
    (x1, y1, z1) = (min(a, b) for a, b in zip(box.high, high, strict=True))
    return Box((x0, y0, z0), (x1, y1, z1))


def axis(box: Box, k: int, count: int, device: torch.device) -> Tensor:
    """Coordinates of the nodes along one axis, shape = (count,), made in double."""
    ends = box.low[k], box.high[k]
    return torch.linspace(*ends, count, device="cpu", dtype=torch.float64).to(
        device=device, dtype=torch.float32
    )
