"""The plain marcher against a twin of Python loops, and on fields that are known exactly."""

from __future__ import annotations

import bisect
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from graf_cli.families.graf.field import Field
from graf_cli.rendering.integrator import BLOCK_NUMBERS, Seen, disparity
from graf_cli.scene.camera import Rays, camera_for, pose_on_sphere, rays
from graf_cli.scene.spec import CameraSpec
from tests.conftest import CPU
from tests.rendering.fields import depths, march, resample, weights

Triple = tuple[float, float, float]


# the naive twin


def naive_weights(density: list[float], z: list[float], length: float) -> list[float]:
    """REFERENCE, sample by sample."""
    clear, result = 1.0, []
    for k, raw in enumerate(density):
        interval = (z[k + 1] - z[k] if k + 1 < len(z) else 1e10) * length
        alpha = 1 - math.exp(-max(raw, 0) * interval)
        result.append(alpha * clear)
        clear *= 1 - alpha + 1e-10
    return result


def naive_resample(z: list[float], weight: list[float], count: int) -> list[float]:
    if len(z) < 3:
        return [sum(z) / len(z)] * count
    middles = [(a + b) / 2 for a, b in pairwise(z)]
    pdf = [w + 1e-5 for w in weight[1:-1]]
    cdf = [0.0]
    for value in pdf:
        cdf.append(cdf[-1] + value / sum(pdf))
    result = []
    for k in range(count):
        u = k / (count - 1) if count > 1 else 0.0
        above = bisect.bisect_right(cdf, u)
        low, high = max(above - 1, 0), min(above, len(cdf) - 1)
        width = cdf[high] - cdf[low]
        t = (u - cdf[low]) / (width if width >= 1e-5 else 1)
        result.append(middles[low] + t * (middles[high] - middles[low]))
    return result


def naive_march(
    origin: Triple, direction: Triple, z: list[float]
) -> tuple[list[float], float, float]:
    """Colour, opacity and depth of one ray through `lumpy`."""
    length = math.sqrt(sum(d * d for d in direction))
    unit = torch.tensor([[d / length for d in direction]], device="cpu", dtype=torch.float64)
    density, colour = [], []
    for depth in z:
        point = [o + depth * d for o, d in zip(origin, direction, strict=True)]
        raw, tint = lumpy(torch.tensor([point], device="cpu", dtype=torch.float64), unit)
        density.append(float(raw))
        colour.append([1 / (1 + math.exp(-float(c))) for c in tint[0]])
    weight = naive_weights(density, z, length)
    mixed = [sum(w * c[k] for w, c in zip(weight, colour, strict=True)) for k in range(3)]
    return mixed, sum(weight), sum(w * d for w, d in zip(weight, z, strict=True))


def lumpy(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
    """Densities of both signs, colours that depend on the direction."""
    assert directions is not None
    x, y, z = points.unbind(-1)
    return 2 * torch.sin(3 * x) + torch.cos(2 * y) - z, torch.sin(points * 4) + directions


def ball(radius: float, density: float = 1e4) -> Field:
    """Opaque, its colour the point that is seen; empty outside."""

    def field(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
        inside = points.norm(dim=-1) < radius
        return torch.where(inside, density, -density), points

    return field


def constant(density: float) -> Field:
    def field(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
        return torch.full_like(points[:, 0], density), torch.zeros_like(points)

    return field


def a_ray(
    origin: Triple = (0, 0, 5), direction: Triple = (0, 0, -1), near: float = 2, far: float = 8
) -> Rays:
    def row(*values: float) -> Tensor:
        return torch.tensor([values], device="cpu", dtype=torch.float64)

    return Rays(row(*origin), row(*direction), row(near), row(far))


def assert_same(found: Seen, expected: Seen, tolerance: float = 1e-12) -> None:
    for key in ("radiance", "opacity", "depth"):
        torch.testing.assert_close(
            getattr(found, key), getattr(expected, key), rtol=tolerance, atol=tolerance
        )


components = st.floats(-3, 3)


@given(
    origin=st.tuples(components, components, components),
    direction=st.tuples(components, components, st.floats(0.1, 3)),
    near=st.floats(0, 5),
    span=st.floats(0.1, 5),
    samples=st.integers(1, 20),
)
def test_a_ray_is_marched_as_defined(
    origin: Triple, direction: Triple, near: float, span: float, samples: int
) -> None:
    seen = march(lumpy, a_ray(origin, direction, near, near + span), samples, chunk=7)
    z = [near + span * k / max(samples - 1, 1) for k in range(samples)]
    colour, opacity, depth = naive_march(origin, direction, z)
    np.testing.assert_allclose(seen.radiance[0].numpy(), colour, atol=1e-9)
    assert float(seen.opacity) == pytest.approx(opacity, abs=1e-9)
    assert float(seen.depth) == pytest.approx(depth, abs=1e-9)


@given(samples=st.integers(1, 12), importance=st.integers(1, 12), far=st.floats(3, 9))
def test_a_second_pass_is_marched_as_defined(samples: int, importance: int, far: float) -> None:
    origin, direction, near = (0.3, -0.2, 4.0), (0.2, 0.1, -1.0), 2.0
    seen = march(
        lumpy, a_ray(origin, direction, near, far), samples, chunk=5, importance=importance
    )
    length = math.sqrt(sum(d * d for d in direction))
    z = [near + (far - near) * k / max(samples - 1, 1) for k in range(samples)]
    density = [
        float(lumpy(_point(origin, direction, depth), _point((0, 0, 0), direction, 1))[0])
        for depth in z
    ]
    further = naive_resample(z, naive_weights(density, z, length), importance)
    colour, opacity, depth = naive_march(origin, direction, sorted(z + further))
    np.testing.assert_allclose(seen.radiance[0].numpy(), colour, atol=1e-7)
    assert float(seen.opacity) == pytest.approx(opacity, abs=1e-7)
    assert float(seen.depth) == pytest.approx(depth, abs=1e-6)


def _point(origin: Triple, direction: Triple, depth: float) -> Tensor:
    values = [o + depth * d for o, d in zip(origin, direction, strict=True)]
    return torch.tensor([values], device="cpu", dtype=torch.float64)


def test_the_second_pass_alone_is_composited() -> None:
    seen = march(constant(1.0), a_ray(), 4, chunk=64, importance=4, fine=constant(-1.0))
    assert float(seen.opacity) == 0


def test_without_a_fine_field_the_first_serves_again() -> None:
    twice = march(lumpy, a_ray(), 6, chunk=64, importance=5, fine=lumpy)
    assert_same(march(lumpy, a_ray(), 6, chunk=64, importance=5), twice)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_a_second_pass_bears_a_first_of_few_samples(samples: int) -> None:
    seen = march(constant(1.0), a_ray(), samples, chunk=64, importance=4)
    assert float(seen.opacity) == pytest.approx(1)


# depths, weights, resampling


def test_depths_are_even_and_hold_both_ends() -> None:
    near, far = torch.tensor([[[1.0]], [[4.0]]], device="cpu", dtype=torch.float64)
    expected = np.linspace(1, 4, 7)
    np.testing.assert_allclose(depths(near, far, 7)[0].numpy(), expected, atol=1e-12)
    assert depths(near, far, 1).tolist() == [[1.0]]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.floats(0.1, 3), st.floats(0.01, 1))
def test_weights_are_their_definition(density: list[float], length: float, step: float) -> None:
    z = [1 + step * k for k in range(len(density))]

    def row(values: list[float]) -> Tensor:
        return torch.tensor([values], device="cpu", dtype=torch.float64)

    found = weights(row(density), row(z), row([length]))
    np.testing.assert_allclose(found[0].numpy(), naive_weights(density, z, length), atol=1e-12)
    assert -1e-12 <= float(found.sum()) <= 1 + 1e-8


def test_any_density_at_the_far_plane_is_opaque() -> None:
    def only_last(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
        return torch.where(points[:, 2] <= -3 + 1e-9, 1e-6, 0.0), torch.zeros_like(points)

    seen = march(only_last, a_ray(), 16, chunk=64)
    assert float(seen.opacity) == pytest.approx(1)
    assert float(seen.depth) == pytest.approx(8)


def test_nothing_leaves_nothing() -> None:
    seen = march(constant(-1.0), a_ray(), 16, chunk=64)
    assert seen.radiance.tolist() == [[0, 0, 0]]
    assert float(seen.opacity) == float(seen.depth) == 0


def test_fog_thins_exponentially() -> None:
    def fog(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
        inside = points[:, 2] > -2.9  # leaves the last, infinite interval empty
        return torch.where(inside, 0.25, -1.0), torch.zeros_like(points)

    seen = march(fog, a_ray(), 601, chunk=64)
    assert float(seen.opacity) == pytest.approx(1 - math.exp(-0.25 * 5.9), abs=2e-3)


def test_disparity_is_its_definition() -> None:
    def row(*values: float) -> Tensor:
        return torch.tensor(values, device="cpu", dtype=torch.float64)

    found = disparity(row(4.0, 0.0, 2.0), row(1.0, 0.0, 0.5))
    np.testing.assert_allclose(found.numpy(), [0.25, 1e10, 0.25], rtol=1e-6)


@given(
    weight=st.lists(st.floats(0, 1), min_size=1, max_size=16),
    count=st.integers(1, 20),
)
def test_resampling_inverts_the_distribution(weight: list[float], count: int) -> None:
    z = [2 + 0.5 * k for k in range(len(weight))]

    def row(values: list[float]) -> Tensor:
        return torch.tensor([values], device="cpu", dtype=torch.float64)

    found = resample(row(z), row(weight), count)[0]
    # Where u meets a step of the distribution, rounding decides on which side: one bin off.
    np.testing.assert_allclose(found.numpy(), naive_resample(z, weight, count), atol=0.51)
    assert (np.abs(found.numpy() - naive_resample(z, weight, count)) < 1e-6).mean() >= 0.7
    assert bool((found >= z[0]).all() and (found <= z[-1]).all())


def test_resampling_looks_where_something_was_seen() -> None:
    z = torch.linspace(0, 10, 21, device="cpu", dtype=torch.float64)[None]
    weight = torch.zeros_like(z)
    weight[:, 8] = 1
    found = resample(z, weight, 101)[0]
    assert ((found >= 3.75) & (found <= 4.25)).double().mean() > 0.95


# pictures of what is known


def ball_picture(radius: float, *, orthographic: bool) -> tuple[Seen, Rays]:
    spec = CameraSpec(near=2.0, far=6.0, radius=(4.0, 4.0), fov=40.0, orthographic=orthographic)
    camera = camera_for(spec, pose_on_sphere(35, 25, 4), width=24, height=20)
    through = rays(camera, device=CPU, dtype=torch.float64)
    return march(ball(radius), through, 1601, chunk=1 << 16), through


@pytest.mark.parametrize("orthographic", [False, True])
def test_a_ball_has_its_silhouette_and_its_depth(orthographic: bool) -> None:
    seen, through = ball_picture(1.0, orthographic=orthographic)
    # |o + t d|² = 1
    a = (through.directions**2).sum(-1)
    b = (through.directions * through.origins).sum(-1)
    c = (through.origins**2).sum(-1) - 1
    discriminant = b**2 - a * c
    deep, clear = discriminant > 1e-2, discriminant < 0
    assert deep.sum() > 20
    torch.testing.assert_close(
        seen.opacity[deep], torch.ones_like(seen.opacity[deep]), rtol=0, atol=1e-6
    )
    assert bool((seen.opacity[clear] == 0).all())
    first_hit = (-b - discriminant.sqrt()) / a
    torch.testing.assert_close(seen.depth[deep], first_hit[deep], rtol=0, atol=4e-3)


def test_a_ball_shows_the_side_that_faces_the_camera() -> None:
    seen, through = ball_picture(1.0, orthographic=False)
    middle = 10 * 24 + 12
    surface = through.origins[middle] / 4
    torch.testing.assert_close(seen.radiance[middle], surface.sigmoid(), rtol=0, atol=2e-3)


@pytest.mark.parametrize("chunk", [1, 13, 64, 100_000])
def test_the_chunk_does_not_matter(chunk: int) -> None:
    camera = camera_for(
        CameraSpec(near=2.0, far=6.0, radius=(4.0, 4.0), fov=40.0),
        pose_on_sphere(35, 25, 4),
        width=5,
        height=3,
    )
    through = rays(camera, device=CPU, dtype=torch.float64)
    whole = march(lumpy, through, 8, chunk=1 << 20, importance=3)
    assert_same(march(lumpy, through, 8, chunk=chunk, importance=3), whole)


def test_no_more_points_than_the_chunk_go_through_the_field() -> None:
    seen: list[int] = []

    def counting(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
        seen.append(len(points))
        return lumpy(points, directions)

    march(counting, a_ray(), 64, chunk=10)
    assert max(seen) == 10
    assert sum(seen) == 2 * 64  # once for its density, once for its colour


def test_many_rays_are_marched_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = camera_for(
        CameraSpec(near=2.0, far=6.0, radius=(4.0, 4.0), fov=40.0),
        pose_on_sphere(35, 25, 4),
        width=7,
        height=3,
    )
    through = rays(camera, device=CPU, dtype=torch.float64)
    whole = march(lumpy, through, 8, chunk=64)
    assert len(through) * 8 <= BLOCK_NUMBERS // 3
    for points in (1, 16, 40):  # less than a ray, two rays, five rays at a time
        monkeypatch.setattr("graf_cli.rendering.integrator.BLOCK_NUMBERS", 3 * points)
        assert_same(march(lumpy, through, 8, chunk=64), whole)


def test_directions_reach_the_field_as_unit_vectors() -> None:
    def asserting(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
        assert directions is not None
        torch.testing.assert_close(directions.norm(dim=-1), torch.ones_like(points[:, 0]))
        return lumpy(points, directions)

    march(asserting, a_ray(direction=(1, 2, -3)), 4, chunk=64)
