"""A NeRF's network with everything constant folded away; see `graf_cli.scene.mlp`."""

from __future__ import annotations

import torch
from torch import Tensor

from graf_cli.families.nerf.network import NerfField
from graf_cli.families.nerf.spec import SKIP_LAYER
from graf_cli.scene.kernels import sigmoid
from graf_cli.scene.mlp import FoldedBranch, FoldedTrunk, View, encoded_length, numbers_of


class FoldedVolume:
    """One pass of the scene; see `FastVolume`.

    Parameters
    ----------
    field : NerfField
    dtype : torch.dtype
        Of the matrix products.
    """

    channels = 3

    def __init__(self, field: NerfField, dtype: torch.dtype) -> None:
        spec = field.spec
        nothing = torch.zeros(0, device="cpu", dtype=torch.float32)
        head, row = (field.alpha_linear, 0) if spec.use_viewdirs else (field.output_linear, 3)
        self._trunk = FoldedTrunk(
            [numbers_of(layer) for layer in field.pts_linears],
            numbers_of(head).rows(row, row + 1),
            octaves=spec.multires if spec.encode else 0,
            skip=SKIP_LAYER,
            code=nothing,
            dtype=dtype,
        )
        out = field.rgb_linear if spec.use_viewdirs else field.output_linear
        view = _view(field) if spec.use_viewdirs else None
        self._branch = FoldedBranch(view, numbers_of(out).rows(0, 3), nothing, dtype)
        self.device, self.tile = self._trunk.device, self._trunk.tile
        self.density_products = self._trunk.products
        self.radiance_products = self._branch.products
        self.per_ray = self._branch.per_ray

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Features, shape = (n, width), and raw density, shape = (n,), float32."""
        return self._trunk(points)

    def radiance(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        """Colours in [0, 1], shape = (n, 3), float32."""
        return sigmoid(self._branch(features, per_ray))

    def around(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        """See `SeenAround`."""
        return sigmoid(self._branch.around(features, per_ray))


def _view(field: NerfField) -> View:
    spec = field.spec
    return View(
        feature=numbers_of(field.feature_linear),
        layer=numbers_of(field.views_linears[0]),
        encode=field.encode_directions,
        directions=encoded_length(spec.multires_views, encode=spec.encode),
    )
