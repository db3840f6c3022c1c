"""Folded networks against the field they were folded from."""

from __future__ import annotations

import pytest
import torch

from graf_cli.model.latent import draw
from graf_cli.model.spec import LatentSpec, NetworkSpec
from graf_cli.rendering.fast.fold import (
    FoldedColour,
    FoldedDensity,
    UnfoldedDensity,
    scouting_dtype,
)
from tests.conftest import CPU, small_generator, small_spec
from tests.rendering.fast.twins import seeded

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
    latent = draw(generator.spec.latent, 3)
    points = torch.randn((50, 3), generator=seeded(1), device="cpu", dtype=torch.float32)
    directions = torch.nn.functional.normalize(points.flip(0), dim=-1)
    density, colour = generator.conditioned(latent)(points, directions)
    folded = FoldedDensity(generator.coarse, latent.shape, torch.float32)
    branch = FoldedColour(generator.coarse, latent, torch.float32)
    features = folded.features(points)
    torch.testing.assert_close(folded.density(features), density, rtol=1e-4, atol=1e-4)
    found = branch(features, branch.per_ray(directions))
    torch.testing.assert_close(found, colour, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(folded.at(points, 7), density, rtol=1e-4, atol=1e-4)
    exact = UnfoldedDensity(generator.coarse, latent.shape)
    assert torch.equal(exact.density(exact.features(points)), density)


def test_no_points_have_no_density() -> None:
    generator = small_generator()
    folded = FoldedDensity(generator.coarse, draw(generator.spec.latent, 0).shape, torch.float32)
    assert folded.at(torch.zeros((0, 3), device="cpu", dtype=torch.float32), 7).shape == (0,)


@torch.inference_mode()
def test_half_precision_is_near() -> None:
    generator = small_generator()
    latent = draw(generator.spec.latent, 3)
    points = torch.randn((50, 3), generator=seeded(1), device="cpu", dtype=torch.float32)
    density, _ = generator.conditioned(latent)(points, points)
    folded = FoldedDensity(generator.coarse, latent.shape, torch.bfloat16)
    assert (folded.at(points, 64) - density).abs().max() <= 0.05 * density.abs().max()


def test_without_fast_bfloat16_float32_looks_for_emptiness(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scouting_dtype(CPU) in (torch.float32, torch.bfloat16)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    assert scouting_dtype(CPU) == torch.float32
