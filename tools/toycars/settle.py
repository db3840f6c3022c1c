"""The fit's last act: the network stops hearing what codes say beyond their factors.

The family reads a code through a handful of projections. A fit learns to ignore the other
directions, but never quite: what is left of them in the weights is noise, in the colours and as
specks in empty space. They are known, so they are taken out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.spec import SKIP_LAYER
from tools.toycars.codes import (
    APPEARANCE_FACTOR_NAMES,
    APPEARANCE_SEED,
    SHAPE_FACTOR_NAMES,
    SHAPE_SEED,
    projections,
)


@torch.no_grad()
def settle(field: RadianceField) -> None:
    """Project the weights on codes onto the directions that the family reads, in place."""
    shape, appearance = field.latent.dim_shape, field.latent.dim_appearance
    first = field.get_parameter("pts_linears.0.weight")
    again = field.get_parameter(f"pts_linears.{SKIP_LAYER + 1}.weight")
    view = field.get_parameter("views_linears.0.weight")
    entry = first.shape[1]
    for weight in (first, again):
        codes = weight[:, entry - shape : entry]
        codes.copy_(_heard(codes, len(SHAPE_FACTOR_NAMES), SHAPE_SEED))
    codes = view[:, -appearance:]
    codes.copy_(_heard(codes, len(APPEARANCE_FACTOR_NAMES), APPEARANCE_SEED))


def _heard(weight: Tensor, count: int, seed: int) -> Tensor:
    directions = projections(count, weight.shape[1], seed).to(weight)
    return weight @ directions.T @ directions
