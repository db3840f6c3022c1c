"""What data sets of π-GAN say of their cameras: by the authors' own formulas, and by reprojection.

The pictures are of a fitted head, which has a surface. No formula here comes from graf.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from graf_cli.families.pigan.scene import scene
from graf_cli.rendering.integrator import integrate
from graf_cli.scene.camera import Rays
from tests.cli.conftest import Run
from tests.families.pigan.models import subject
from tests.families.pigan.test_head import HEAD
from tests.media import image
from tools.pigan_head import load, save

Numbers = NDArray[np.float64]
WIDTH, HEIGHT, FOV = 48, 40, 14.0
NEAREST = 0.01  # pixels
VIEWS = 3
SOLID = 0.99  # opacity of a surface


@dataclass(frozen=True, eq=False)
class Written:
    """A data set of one object as its files tell of it."""

    document: dict[str, Any]
    matrices: Numbers  # (views, 4, 4), camera to world
    depths: Numbers  # (views, H, W), world units along the optical axis
    opacities: Numbers  # (views, H, W)

    def rays(self, view: int) -> Numbers:
        """Through all pixels' centres, of length one along the optical axis, (H, W, 3)."""
        of = self.document
        i, j = np.meshgrid(np.arange(of["w"]) + 0.5, np.arange(of["h"]) + 0.5)
        x, y = (i - of["cx"]) / of["fl_x"], -(j - of["cy"]) / of["fl_y"]
        local = np.stack((x, y, np.full(x.shape, -1.0)), axis=-1)
        return np.asarray(local @ self.matrices[view, :3, :3].T)

    def points(self, view: int) -> Numbers:
        """Of the world, where each pixel's depth is, (H, W, 3)."""
        return np.asarray(self.eye(view) + self.rays(view) * self.depths[view, ..., None])

    def eye(self, view: int) -> Numbers:
        """Where a camera stands, (3,)."""
        return np.asarray(self.matrices[view, :3, 3])

    def pixels(self, points: Numbers, view: int) -> Numbers:
        """Columns and rows, counted at pixels' centres, where points (…, 3) are seen, (…, 2)."""
        local = (points - self.eye(view)) @ self.matrices[view, :3, :3]
        x, y, z = np.moveaxis(local, -1, 0)
        of = self.document
        column, row = of["fl_x"] * x / -z + of["cx"], -of["fl_y"] * y / -z + of["cy"]
        return np.stack((column, row), axis=-1) - 0.5


@pytest.fixture
def written(run: Run, tmp_path: Path) -> Written:
    """Made by the command line."""
    save(tmp_path / "head.safetensors", HEAD)
    run("dataset", "--checkpoint", "head.safetensors", "--n", 1, "--views", VIEWS, "--out", "ds",
        "--size", f"{WIDTH}x{HEIGHT}", "--fov", FOV, "--cameras", "orbit", "--azimuth", "-30:30",
        "--elevation", 83, "--exact")  # fmt: skip
    home = tmp_path / "ds" / "train" / "000000"
    document = json.loads((home / "transforms.json").read_text())
    step = document["graf"]["depth_unit_scale_factor"]
    frames = document["frames"]
    return Written(
        document,
        np.array([frame["transform_matrix"] for frame in frames]),
        np.stack([image(home / frame["depth_file_path"]) * step for frame in frames]),
        np.stack([image(home / frame["opacity_file_path"]) / 255 for frame in frames]),
    )


def authors_directions(matrix: Numbers) -> Numbers:
    """Unit directions of all pixels in the world, (H, W, 3), by π-GAN's own formula.

    X = 2i / (W − 1) − 1, so that the outermost centres lie on the border of the field of view; Y
    likewise, in the same units. Their camera's axes are ours.
    """
    i, j = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    x, y = 2 * i / (WIDTH - 1) - 1, (HEIGHT - 1 - 2 * j) / (WIDTH - 1)
    local = np.stack((x, y, np.full(x.shape, -1 / math.tan(math.radians(FOV) / 2))), axis=-1)
    unit = local / np.linalg.norm(local, axis=-1, keepdims=True)
    return np.asarray(unit @ matrix[:3, :3].T)


def authors_pixels(points: Numbers, matrix: Numbers) -> Numbers:
    """Columns and rows of points by the same formula, (…, 2)."""
    x, y, z = np.moveaxis((points - matrix[:3, 3]) @ matrix[:3, :3], -1, 0)
    border = -z * math.tan(math.radians(FOV) / 2)
    column = (x / border + 1) * (WIDTH - 1) / 2
    return np.stack((column, (HEIGHT - 1) / 2 - y / border * (WIDTH - 1) / 2), axis=-1)


def seen(matrix: Numbers) -> tuple[Numbers, Numbers]:
    """Marched along the authors' rays: points of the world, (H, W, 3), and opacities, (H, W)."""
    spec, network = load(HEAD)
    directions, eye = authors_directions(matrix).reshape(-1, 3), matrix[:3, 3]
    made = scene(spec, network, subject(spec), samples=spec.samples)
    along = torch.as_tensor(directions, device="cpu", dtype=torch.float32)
    start = torch.as_tensor(eye, device="cpu", dtype=torch.float32).expand_as(along)
    ends = (torch.full_like(along[:, :1], end) for end in (0.88, 1.12))
    found = integrate(made, Rays(start, along, *ends), chunk=1 << 15)
    opacity = found.opacity.double().numpy()
    distance = found.depth.double().numpy() / np.maximum(opacity, 1e-9)
    points = eye + directions * distance[:, None]
    return points.reshape(HEIGHT, WIDTH, 3), opacity.reshape(HEIGHT, WIDTH)


def _depths_apart(written: Written, a: int, b: int) -> Numbers:
    """How far points of one view are from the surface that another one's depth map has there."""
    depth = np.where(written.opacities[b] > SOLID, written.depths[b], 0)
    points = written.points(a)[written.opacities[a] > SOLID]
    column, row = written.pixels(points, b).T
    axis = -written.matrices[b, :3, 2]
    reach = (points - written.eye(b)) @ axis
    inside = (column > 0) & (column < WIDTH - 1) & (row > 0) & (row < HEIGHT - 1)
    column, row, reach = column[inside], row[inside], reach[inside]
    i, j = column.astype(int), row.astype(int)
    corners = np.stack([depth[j + down, i + right] for down in (0, 1) for right in (0, 1)])
    smooth = (corners.min(axis=0) > 0) & (np.ptp(corners, axis=0) < 0.02)
    x, y = column - i, row - j
    parts = np.stack(((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y))
    apart = np.abs((corners * parts).sum(axis=0) - reach)[smooth]
    return np.asarray(apart[apart < 0.02])  # beyond, one hides what the other sees


def test_rays_are_the_authors_own(written: Written) -> None:
    """To a hundred-millionth; half a pixel would be 5e-3."""
    of = written.document
    assert (of["cx"], of["cy"]) == (WIDTH / 2, HEIGHT / 2)
    for side, axis in (("w", "x"), ("h", "y")):  # the whole picture's angle, edge to edge
        focal, angle = of[f"fl_{axis}"], of[f"camera_angle_{axis}"]
        assert math.tan(angle / 2) == pytest.approx(of[side] / 2 / focal, rel=1e-12)
    for view, matrix in enumerate(written.matrices):
        rays = written.rays(view)
        unit = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        assert np.abs(unit - authors_directions(matrix)).max() < 1e-8


def test_a_depth_map_ends_where_the_authors_rays_do(written: Written) -> None:
    """Its points, seen by every camera as files tell of it, and theirs by the authors' formula."""
    own = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), axis=-1)
    for a, matrix in enumerate(written.matrices):
        points, opacity = seen(matrix)
        solid = opacity > 0.51
        assert 0.3 < solid.mean() < 0.7
        assert np.array_equal(written.depths[a] > 0, opacity >= 0.5)
        assert np.abs(written.pixels(written.points(a)[solid], a) - own[solid]).max() < 1e-6
        for b, other in enumerate(written.matrices):
            theirs = authors_pixels(points[solid], other)
            ours = written.pixels(written.points(a)[solid], b)
            assert np.abs(ours - theirs).max() < NEAREST
            assert np.abs(theirs - own[solid]).max() < 1e-3 or a != b


def test_one_views_surface_lies_on_anothers(written: Written) -> None:
    """As far as the mean depths of a soft surface agree from two sides: a pixel off shows."""

    def apart(shift: float) -> float:
        """Mean difference of depths, were the principal point moved in both directions."""
        of = written.document | {key: written.document[key] + shift for key in ("cx", "cy")}
        moved = replace(written, document=of)
        found = [_depths_apart(moved, a, b) for a, b in permutations(range(VIEWS), 2)]
        assert sum(map(len, found)) > 3000
        return float(np.concatenate(found).mean())

    assert apart(0) < 0.002
    assert min(apart(-1), apart(1)) > 1.5 * apart(0)
