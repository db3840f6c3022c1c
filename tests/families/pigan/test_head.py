"""A field that was fitted to an object, with empty space around it."""

from __future__ import annotations

from pathlib import Path

import torch

from graf_cli.families.pigan import cameras
from graf_cli.families.pigan.network import Field
from graf_cli.families.pigan.scene import scene
from graf_cli.rendering.integrator import integrate
from tests.families.pigan.models import points, subject
from tools.parity.pigan import unfolding
from tools.pigan_head import SIDE, fit, load, wanted_density

HEAD = Path(__file__).parent / "head.npz"


def within(count: int) -> torch.Tensor:
    """Points of the cube that was fitted."""
    return points(count) * (SIDE / 0.4)


def test_it_is_empty_where_nothing_is() -> None:
    _, network = load(HEAD)
    field = Field(network.siren, network.average)
    _, density = field.density(within(4000))
    wanted = wanted_density(within(4000))
    assert float(((density > 0) != (wanted > 0)).float().mean()) < 0.01
    assert 0.8 < float((density <= 0).float().mean()) < 0.95


def test_wider_networks_are_the_same_head() -> None:
    narrow, wide = (Field(one.siren, one.average) for _, one in (load(HEAD), load(HEAD, 256)))
    _, expected = narrow.density(within(500))
    _, density = wide.density(within(500))
    torch.testing.assert_close(density, expected, rtol=0, atol=2e-3)


def test_its_folded_picture_is_the_exact_one() -> None:
    spec, network = load(HEAD)
    made = scene(spec, network, subject(spec), samples=spec.samples)
    rays = cameras.rays(cameras.pose(1.9, 1.5), 16, 16, fov=12.0, near=0.88, far=1.12)
    exact, folded = (integrate(one, rays, chunk=1 << 14) for one in (made, unfolding(made)))
    assert 0.2 < float(exact.opacity.mean()) < 0.8
    torch.testing.assert_close(folded.radiance, exact.radiance, rtol=0, atol=1e-4)
    torch.testing.assert_close(folded.opacity, exact.opacity, rtol=0, atol=1e-4)


def test_it_can_be_fitted_again() -> None:
    weights = fit(steps=2)
    assert {"density.weight", "sines.7.bias", "colour.weight"} <= weights.keys()
    assert not any("mapping" in name for name in weights)
