"""The fast marcher on fields that are plain functions, against the plain marcher."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from graf_cli.rendering.fast.grid import Lattice, OccupancyGrid
from graf_cli.rendering.fast.march import Count, Marcher, walk
from graf_cli.scene.camera import Camera, Rays, pose_on_sphere, rays
from graf_cli.scene.kernels import sigmoid
from graf_cli.scene.volume import Quadrature
from tests.conftest import CPU
from tests.rendering.fast.twins import seeded
from tests.rendering.fields import depths, march, weights

SAMPLES = 32


def cloud(points: Tensor) -> Tensor:
    ball = (15 * (0.8 - points.norm(dim=-1))).clamp(-8, 4)
    density: Tensor = ball + torch.sin(9 * points[:, 0])
    return density


class Paint:
    """A folded volume: features are the points, colours depend on where and from where."""

    device = CPU
    tile: int | None = None
    density_products: tuple[torch.Size, ...] = ()
    radiance_products: tuple[torch.Size, ...] = ()

    def __init__(self, channels: int = 3) -> None:
        self.channels = channels

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return points, cloud(points)

    def per_ray(self, directions: Tensor) -> Tensor | None:
        return directions

    def radiance(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        assert per_ray is not None
        return sigmoid(features - 2 * per_ray)


QUADRATURE = Quadrature(SAMPLES)


def field(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
    assert directions is not None
    return cloud(points), points - 2 * directions


def through(size: int = 24) -> Rays:
    camera = Camera(pose_on_sphere(30, 20, 4), size, size, fov=50, near=2, far=6)
    return rays(camera, device=CPU, dtype=torch.float32)


def grid() -> OccupancyGrid:
    return OccupancyGrid(Lattice(6.0, 64, 2, 1.0, 2.0), cloud, cloud, CPU)


@pytest.mark.parametrize("gridded", [False, True])
@pytest.mark.parametrize("chunk", [7, 100, 4096])
def test_same_as_the_plain_marcher(chunk: int, *, gridded: bool) -> None:
    seen = through()
    z = depths(seen.near, seen.far, SAMPLES)
    count = Count()
    marcher = Marcher(Paint(), QUADRATURE, grid() if gridded else None)
    found = marcher.march(seen, z, chunk=chunk, count=count)
    truth = march(field, seen, SAMPLES, chunk=4096)
    assert (found.radiance - truth.radiance).abs().max() <= 5e-4
    assert (found.opacity - truth.opacity).abs().max() <= 2e-4
    assert (found.depth - truth.depth).abs().max() <= 2e-3
    assert count.coloured <= count.evaluated <= count.possible == z.numel()
    assert not gridded or count.evaluated < 0.5 * count.possible


def test_weights_are_exact_enough_to_resample_by() -> None:
    seen = through()
    z = depths(seen.near, seen.far, SAMPLES)
    found = Marcher(Paint(0), QUADRATURE, grid()).weights(seen, z, chunk=300, count=Count())
    points = seen.origins[:, None] + seen.directions[:, None] * z[..., None]
    density = cloud(points.view(-1, 3)).view(z.shape)
    truth = weights(density, z, seen.directions.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(found, truth, rtol=1e-5, atol=1e-7)


def test_walk_lists_what_is_occupied() -> None:
    mask = torch.rand((9, 7), generator=seeded(0), device="cpu", dtype=torch.float32) > 0.6
    mask[4] = False
    lists = walk(mask)
    for ray in range(9):
        found = lists.sample[lists.start[ray] : lists.end[ray]] - 7 * ray
        assert found.tolist() == mask[ray].nonzero()[:, 0].tolist()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("chunk", [7, 100, 1000])
def test_a_ray_does_not_depend_on_its_neighbours(chunk: int, workers: int) -> None:
    seen = through()
    z = depths(seen.near, seen.far, SAMPLES)
    marcher = Marcher(Paint(), QUADRATURE, None, workers)
    together = marcher.march(seen, z, chunk=4096, count=Count())
    some = slice(250, 310)
    alone = marcher.march(seen[some], z[some], chunk=chunk, count=Count())
    for key in ("radiance", "opacity", "depth"):
        assert torch.equal(getattr(alone, key), getattr(together, key)[some])


def test_skipping_emptiness_changes_no_bit() -> None:
    seen = through()
    z = depths(seen.near, seen.far, SAMPLES)
    count = Count()
    every = Marcher(Paint(), QUADRATURE, None).march(seen, z, chunk=500, count=Count())
    some = Marcher(Paint(), QUADRATURE, grid()).march(seen, z, chunk=700, count=count)
    assert count.evaluated < 0.5 * count.possible
    for key in ("radiance", "opacity", "depth"):
        assert torch.equal(getattr(every, key), getattr(some, key))
