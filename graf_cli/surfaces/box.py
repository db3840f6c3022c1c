"""The box around an object, from where its model's cameras look and where its density is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graf_cli.errors import SurfaceError
from graf_cli.scene.camera import Camera
from graf_cli.scene.volume import Corners
from graf_cli.surfaces.field import Field
from graf_cli.surfaces.shapes import Box

NODES = 48  # along a side of the lattice that an object is looked for on; fewer where fewer cells
FEWEST = 32
TOLD = 0.01  # share of light below which an object is told to stop none


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


def looked(field: Field, outer: Box, resolution: int) -> Tensor:
    """Raw density at the nodes of a coarse lattice over a box, shape = (n, n, n)."""
    count = max(FEWEST, min(NODES, resolution))
    nodes = lattice(outer, (count, count, count), field.device)
    return field.density(nodes.reshape(-1, 3), scouting=True).view(count, count, count)


def around(
    field: Field, level: float, outer: Box, resolution: int,
    *, whole: bool = False, raw: Tensor | None = None,
) -> Box:  # fmt: skip
    """The part of a box where density reaches a level, and a cell more on each side.

    With `whole`, all of the box is as good an answer as any. `raw` is what `looked` found there.

    Raises
    ------
    SurfaceError
        When it does so nowhere, or everywhere.
    """
    if raw is None:
        raw = looked(field, outer, resolution)
    count = len(raw)
    inside = raw >= field.raw(level)
    if not (whole and bool(inside.all())):
        check(field, raw, level)
    found = inside.nonzero()
    first, last = found.amin(dim=0) - 1, found.amax(dim=0) + 1
    cell = torch.tensor(outer.sides, device="cpu", dtype=torch.float64) / (count - 1)
    low = torch.tensor(outer.low, device="cpu", dtype=torch.float64)
    corners = [low + end.to(device="cpu").clamp(0, count - 1) * cell for end in (first, last)]
    (x0, y0, z0), (x1, y1, z1) = (corner.tolist() for corner in corners)
    return Box((x0, y0, z0), (x1, y1, z1))


def check(field: Field, raw: Tensor, level: float) -> None:
    """Refuse a field that has no surface at a level.

    Raises
    ------
    SurfaceError
        Saying why, and what is there instead.
    """
    above = raw >= field.raw(level)
    if not bool(above.any()):
        densest = float(field.activated(raw.amax().reshape(1)))
        stops = -math.expm1(-densest * field.step)
        told = f"{stops:.0%} of the light" if stops > TOLD else "nearly no light"
        raise SurfaceError(
            f"This object has no surface at a density of {level:.4g}: it has {densest:.4g} where "
            f"it is densest, of which one step of the renderer stops {told}; give a ⟨level⟩ below "
            "that, or export its densities as .npz."
        )
    if bool(above.all()):
        raise SurfaceError(
            f"This object has no surface at a density of {level:.4g}: it fills the whole box that "
            "cameras see with more; give a higher ⟨level⟩, or export its densities as .npz."
        )


def lattice(box: Box, shape: tuple[int, int, int], device: torch.device) -> Tensor:
    """The nodes of a lattice, the outermost on the box's sides, shape = (nx, ny, nz, 3)."""
    axes = [axis(box, k, count, device) for k, count in enumerate(shape)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def axis(box: Box, k: int, count: int, device: torch.device) -> Tensor:
    """Coordinates of the nodes along one axis, shape = (count,), made in double."""
    ends = box.low[k], box.high[k]
    return torch.linspace(*ends, count, device="cpu", dtype=torch.float64).to(
        device=device, dtype=torch.float32
    )
