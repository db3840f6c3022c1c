"""Networks whose density is known because their weights were written by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graf_cli.families.graf.checkpoint import Weights
from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec, Spec
from graf_cli.model.generator import Generator, build
from graf_cli.scene.spec import CameraSpec, ModelSpec
from tests.conftest import CPU

WIDTH = 8
SPEC = ModelSpec(
    name="crafted:16",
    size=16,
    camera=CameraSpec(near=2.0, far=6.0, radius=(4.0, 4.0), fov=40.0),
    settings=Spec(
        network=NetworkSpec(depth=4, width=WIDTH, multires=10, multires_views=1, samples=32),
        latent=LatentSpec(dim=4, dim_appearance=2),
    ),
)


def zeros() -> dict[str, Tensor]:
    """Weights of a field whose density is 0 everywhere, and whose raw colour is 2, 0, -2."""
    field = RadianceField(
        SPEC.settings.network, SPEC.settings.latent, device="meta", dtype=torch.float32
    )
    made = {
        name: torch.zeros(weight.shape, device="cpu", dtype=torch.float32)
        for name, weight in field.state_dict().items()
    }
    for layer in range(1, SPEC.settings.network.depth):
        made[f"pts_linears.{layer}.weight"].fill_diagonal_(1)
    made["rgb_linear.bias"] = torch.tensor([2.0, 0.0, -2.0], device="cpu", dtype=torch.float32)
    return made


def generator(weights: dict[str, Tensor]) -> Generator:
    """A generator of these weights."""
    return build(SPEC, Weights(weights).networks, "0" * 64, CPU)


def constant(density: float) -> Generator:
    """The same density everywhere."""
    weights = zeros()
    weights["alpha_linear.bias"].fill_(density)
    return generator(weights)


def tent(centre: Sequence[float], width: Sequence[float], outside: float = -15.0) -> Generator:
    """Density 60 at the centre, falling to `outside` within a width along each axis.

    A width of 0 is none: the object reaches along that axis without end.
    """
    weights = zeros()
    for axis, (middle, half) in enumerate(zip(centre, width, strict=True)):
        for row, sign in ((2 * axis, 1.0), (2 * axis + 1, -1.0)):
            weights["pts_linears.0.weight"][row, axis] = sign
            weights["pts_linears.0.bias"][row] = -sign * middle
            weights["pts_linears.1.weight"][6, row] = -1 / half if half else 0.0
    weights["pts_linears.1.weight"][6, 6] = 0
    weights["pts_linears.1.bias"][6] = 1
    weights["alpha_linear.weight"][0, 6] = 60 - outside
    weights["alpha_linear.bias"].fill_(outside)
    return generator(weights)


def ripples(octave: int, height: float, level: float) -> Generator:
    """``level + height · sin(2^octave x)``."""
    weights = zeros()
    for row, sign in ((0, 1.0), (1, -1.0)):
        weights["pts_linears.0.weight"][row, 3 + 6 * octave] = sign
        weights["alpha_linear.weight"][0, row] = sign * height
    weights["alpha_linear.bias"].fill_(level)
    return generator(weights)
