"""Folded networks against the field they were folded from."""

from __future__ import annotations

import pytest
import torch

from graf_cli.families.graf.fold import (
    FoldedColour,
    FoldedDensity,
)
from graf_cli.families.graf.scene import FieldVolume, as_network
from graf_cli.families.graf.scene import draw_codes as draw
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from graf_cli.rendering.fast.objects import ExactDensity
from graf_cli.scene.kernels import scouting_dtype
from tests.conftest import CPU, small_generator, small_spec
from tests.rendering.fast.twins import seeded
from tests.rendering.fields import conditioned

CODES = LatentSpec(dim=6, dim_appearance=2)
SHAPE_ONLY = LatentSpec(dim=6, dim_appearance=0)
NETWORKS = {
    "released": (NetworkSpec(width=12), CODES),
    "shallow": (NetworkSpec(width=12, depth=2), CODES),
    "no directions": (NetworkSpec(width=12, use_viewdirs=False), CODES),
    "no encoding": (NetworkSpec(width=12, encode=False), CODES),
    "no appearance": (NetworkSpec(width=12), SHAPE_ONLY),
    "no branch": (NetworkSpec(width=12, use_viewdirs=False), SHAPE_ONLY),
    "two passes": (NetworkSpec(width=12, use_viewdirs=False, importance=3), SHAPE_ONLY),
}


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_folding_changes_nothing_but_rounding(name: str) -> None:
    generator = small_generator(small_spec(*NETWORKS[name]))
    latent = draw(generator.spec.settings.latent, 3)
    points = torch.randn((50, 3), generator=seeded(1), device="cpu", dtype=torch.float32)
    directions = torch.nn.functional.normalize(points.flip(0), dim=-1)
    density, colour = conditioned(generator, latent)(points, directions)
    folded = FoldedDensity(as_network(generator.network).coarse, latent.shape, torch.float32)
    branch = FoldedColour(as_network(generator.network).coarse, latent.appearance, torch.float32)
    features, found_density = folded(points)
    torch.testing.assert_close(found_density, density, rtol=1e-4, atol=1e-4)
    found = branch(features, branch.per_ray(directions))
    torch.testing.assert_close(found, colour, rtol=1e-4, atol=1e-4)
    turned = directions[torch.tensor([[k, 49 - k, 7] for k in range(50)], device="cpu")]
    facing = branch.per_ray(turned.flatten(0, 1))
    several = branch.around(features, None if facing is None else facing.view(50, 3, -1))
    for k in range(several.shape[1]):
        assert torch.equal(several[:, k], branch(features, branch.per_ray(turned[:, k])))
    exact = ExactDensity(FieldVolume(as_network(generator.network).coarse, latent), CPU)
    torch.testing.assert_close(exact.density(points)[1], density, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("width", [8, 256])
@torch.inference_mode()
def test_a_point_does_not_depend_on_its_neighbours(dtype: torch.dtype, width: int) -> None:
    generator = small_generator(small_spec(NetworkSpec(width=width), CODES))
    latent = draw(generator.spec.settings.latent, 3)
    folded = FoldedDensity(as_network(generator.network).coarse, latent.shape, dtype)
    branch = FoldedColour(as_network(generator.network).coarse, latent.appearance, dtype)
    points = torch.randn((3000, 3), generator=seeded(1), device="cpu", dtype=torch.float32)
    directions = torch.nn.functional.normalize(points, dim=-1)
    features, density = folded(points)
    facing = branch.per_ray(directions)
    assert facing is not None
    colour = branch(features, facing)
    for count in (1, 2, 3, 7, 100, 129, 513, 1500):
        some = torch.randperm(len(points), generator=seeded(count), device="cpu", dtype=torch.int64)
        some = some[:count]
        assert torch.equal(folded(points[some])[0], features[some])
        assert torch.equal(folded.at(points[some]), density[some])
        found = branch.per_ray(directions[some])
        assert found is not None
        assert torch.equal(found, facing[some])
        assert torch.equal(branch(features[some], facing[some]), colour[some])


@torch.inference_mode()
def test_half_precision_is_near() -> None:
    generator = small_generator()
    latent = draw(generator.spec.settings.latent, 3)
    points = torch.randn((50, 3), generator=seeded(1), device="cpu", dtype=torch.float32)
    density, _ = conditioned(generator, latent)(points, points)
    folded = FoldedDensity(as_network(generator.network).coarse, latent.shape, torch.bfloat16)
    assert (folded.at(points) - density).abs().max() <= 0.05 * density.abs().max()


def test_without_fast_bfloat16_float32_looks_for_emptiness(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scouting_dtype(CPU) in (torch.float32, torch.bfloat16)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    assert scouting_dtype(CPU) == torch.float32
