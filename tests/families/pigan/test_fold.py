"""The folded volume against the exact one."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
import torch
from torch import Tensor

from graf_cli.families.pigan.fold import Folded
from graf_cli.families.pigan.network import Field, Film
from graf_cli.families.pigan.scene import empty_below, quadrature, scene
from graf_cli.families.pigan.spec import Spec
from graf_cli.rendering.integrator import integrate
from graf_cli.scene.camera import Rays
from graf_cli.scene.codes import Code
from graf_cli.scene.volume import Scene
from tests.families.pigan.models import (
    CUBED,
    SMALL,
    code,
    directions,
    points,
    random_network,
    subject,
)

SPECS = {"plain": SMALL, "cube": CUBED, "box": msgspec.structs.replace(SMALL, scale=8.0)}


def both(spec: Spec, *, locked: bool = False) -> tuple[Field, Folded]:
    network = random_network(spec)
    film = network.siren.film(code(spec)).truncated(network.average, 0.7)
    folded = Folded(network.siren, film, torch.float32, locked=locked)
    return Field(network.siren, film, locked=locked), folded


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("name", SPECS)
def test_a_folded_volume_is_the_exact_one(name: str, locked: bool) -> None:
    exact, folded = both(SPECS[name], locked=locked)
    at, views = points(700), directions(700)
    features, density = exact.density(at)
    seen, raw = folded.density(at)
    assert float(density.abs().max()) > 1
    torch.testing.assert_close(raw, density, rtol=0, atol=2e-4)
    colours = folded.radiance(seen, folded.per_ray(views))
    torch.testing.assert_close(colours, exact.radiance(features, views), rtol=0, atol=1e-5)
    turned = directions(1400, 1).view(700, 2, 3)
    facing = folded.per_ray(turned.flatten(0, 1))
    several = folded.around(seen, None if facing is None else facing.view(700, 2, -1))
    for k in range(several.shape[1]):
        assert torch.equal(several[:, k], folded.radiance(seen, folded.per_ray(turned[:, k])))


def test_a_locked_view_costs_a_ray_nothing() -> None:
    exact, folded = both(SMALL, locked=True)
    assert folded.per_ray(directions(3)) is None
    features, _ = exact.density(points(5))
    colours = [exact.radiance(features, directions(5, seed)) for seed in (1, 2)]
    assert torch.equal(*colours)


@pytest.mark.parametrize("name", SPECS)
def test_no_point_feels_the_others(name: str) -> None:
    at, views = points(1100), directions(1100)
    for volume in both(SPECS[name]):
        features, density = volume.density(at)
        few, alone = volume.density(at[1000:1003])
        assert torch.equal(alone, density[1000:1003])
        added = views if isinstance(volume, Field) else volume.per_ray(views)
        assert added is not None
        colours = volume.radiance(features, added)
        assert torch.equal(volume.radiance(few, added[1000:1003]), colours[1000:1003])


def test_volumes_are_differentiable_in_points_and_codes() -> None:
    network = random_network(SMALL)
    z, at = code(SMALL).requires_grad_(True), points(20).requires_grad_(True)
    film = network.siren.film(z).truncated(network.average, 0.7)
    field = Field(network.siren, film)
    features, density = field.density(at)
    (density.sum() + field.radiance(features, directions(20)).sum()).backward()  # type: ignore[no-untyped-call]
    for given in (z, at):
        assert given.grad is not None
        assert bool((given.grad != 0).all())


class Haze:
    """The same raw density everywhere."""

    channels = 3

    def __init__(self, raw: float) -> None:
        self.raw = raw

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return points, torch.full_like(points[:, 0], self.raw)

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        return torch.ones_like(features) + 0 * directions


@pytest.mark.parametrize("clamp", ["relu", "softplus"])
def test_what_is_called_empty_is_not_seen(clamp: str) -> None:
    spec = msgspec.convert({**msgspec.to_builtins(SMALL), "clamp": clamp}, Spec)
    below = empty_below(spec)
    marched = quadrature(spec, 24, last_back=False)
    ends = (torch.full((1, 1), end, device="cpu", dtype=torch.float32) for end in (0.7, 1.3))
    rays = Rays(points(1), directions(1), *ends)

    def opacity(raw: float) -> float:
        seen = integrate(Scene((Haze(raw),), marched, b"", b""), rays, chunk=99)
        return float(seen.opacity[0])

    assert opacity(below) <= 1.01e-4
    assert opacity(below + 8) > 0.1  # no looser bound would do


def test_keys_tell_what_a_picture_depends_on() -> None:
    network = random_network(SMALL)
    first = network.siren.film(code(SMALL))
    other = network.siren.film(code(SMALL, seed=9))
    start = 8 * SMALL.hidden
    painted = Film(
        torch.cat((first.frequencies[:start], other.frequencies[start:])),
        torch.cat((first.phases[:start], other.phases[start:])),
    )
    given = subject(SMALL)
    made = [
        scene(SMALL, network, replace(given, space="film", codes={"z": Code(film.row)}), samples=6)
        for film in (first, painted, other)
    ]
    assert made[0].geometry == made[1].geometry != made[2].geometry
    assert len({one.key for one in made}) == 3
    locked = scene(SMALL, network, subject(SMALL, lock_view_dependence=1.0), samples=6)
    plain = scene(SMALL, network, subject(SMALL), samples=6)
    assert locked.key != plain.key
    assert locked.geometry == plain.geometry
    densities = [one.passes[0].density(points(9))[1] for one in made]
    assert torch.equal(densities[0], densities[1])


def test_the_first_pass_of_two_is_exact() -> None:
    """Rounding there would move samples of the second pass."""
    network = random_network(SMALL)
    for spec, same in ((SMALL, True), (msgspec.structs.replace(SMALL, two_passes=False), False)):
        made = scene(spec, network, subject(SMALL), samples=6)
        assert made.fast is not None
        first = made.fast(0, torch.bfloat16 if same else torch.float32)
        features, density = made.passes[0].density(points(50))
        found, raw = first.density(points(50))
        assert torch.equal(density, raw) is same
        if same:
            colours = first.radiance(found, first.per_ray(directions(50)))
            assert torch.equal(colours, made.passes[0].radiance(features, directions(50)))
