"""The exact integrator's own arithmetic."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch.nn import functional

from graf_cli.rendering.integrator import activated
from graf_cli.scene.volume import Quadrature


@pytest.mark.parametrize("activation", ["relu", "softplus", "softplus-1"])
def test_no_density_feels_the_others(
    activation: Literal["relu", "softplus", "softplus-1"],
) -> None:
    """PyTorch's softplus rounds the last few of a tensor in another way than the rest."""
    source = torch.Generator(device="cpu").manual_seed(0)
    raw = torch.randn(4096, generator=source, device="cpu", dtype=torch.float32) * 9
    quadrature = Quadrature(samples=2, activation=activation)
    whole = activated(raw, quadrature)
    for count in range(1, 40):
        assert torch.equal(activated(raw[:count].clone(), quadrature), whole[:count])


def test_softplus_is_pytorchs_but_for_rounding() -> None:
    raw = torch.linspace(-120, 120, 2401, device="cpu", dtype=torch.float32)
    made = activated(raw, Quadrature(samples=2, activation="softplus"))
    torch.testing.assert_close(made, functional.softplus(raw), rtol=1e-6, atol=0)
    slopes = torch.autograd.functional.jvp(  # type: ignore[no-untyped-call]
        lambda x: activated(x, Quadrature(samples=2, activation="softplus")),
        raw,
        torch.ones_like(raw),
    )[1]
    torch.testing.assert_close(slopes, torch.sigmoid(raw), rtol=1e-5, atol=1e-8)
