"""A conditioned field with everything constant folded away; see `graf_cli.scene.mlp`."""

from __future__ import annotations

import torch
from torch import Tensor

from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.spec import SKIP_LAYER
from graf_cli.scene.mlp import FoldedBranch, FoldedTrunk, View, encoded_length, numbers_of


class FoldedDensity(FoldedTrunk):
    """The density trunk of one shape.

    Parameters
    ----------
    field : RadianceField
    shape : Tensor, shape = (dim_shape,)
    dtype : torch.dtype
        Of the matrix products; encodings are made in float32 and densities come in float32.
    """

    def __init__(self, field: RadianceField, shape: Tensor, dtype: torch.dtype) -> None:
        network = field.network
        head = field.alpha_linear if field.has_view_branch else field.output_linear
        row = 0 if field.has_view_branch else 3
        super().__init__(
            [numbers_of(layer) for layer in field.pts_linears],
            numbers_of(head).rows(row, row + 1),
            octaves=network.multires if network.encode else 0,
            skip=SKIP_LAYER,
            code=shape,
            dtype=dtype,
        )


class FoldedColour(FoldedBranch):
    """The colour branch of one object.

    Parameters
    ----------
    field : RadianceField
    appearance : Tensor, shape = (dim_appearance,)
    dtype : torch.dtype
        Of the matrix products.
    """

    def __init__(self, field: RadianceField, appearance: Tensor, dtype: torch.dtype) -> None:
        out = field.rgb_linear if field.has_view_branch else field.output_linear
        view = _view(field) if field.has_view_branch else None
        super().__init__(view, numbers_of(out).rows(0, 3), appearance, dtype)


def _view(field: RadianceField) -> View:
    network = field.network
    return View(
        feature=numbers_of(field.feature_linear),
        layer=numbers_of(field.views_linears[0]),
        encode=field.encode_directions if network.use_viewdirs else None,
        directions=encoded_length(network.multires_views, encode=network.encode),
    )
