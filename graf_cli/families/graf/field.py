"""The conditional radiance field: a point, a direction and two codes give density and colour.

GRAF, section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from graf_cli.families.graf.spec import SKIP_LAYER, LatentSpec, NetworkSpec
from graf_cli.scene.kernels import Linear
from graf_cli.scene.mlp import encode, encoded_length, join, trunk, trunk_inputs

Density: TypeAlias = Tensor  # (...,) raw, before the rectifier
Colour: TypeAlias = Tensor  # (..., 3) raw, before the sigmoid
Field: TypeAlias = Callable[[Tensor, Tensor | None], tuple[Density, Colour]]


class RadianceField(nn.Module):
    """The released network, under the names of its state dict.

    Parameters
    ----------
    network, latent : NetworkSpec, LatentSpec
        Sizes; with `fine`, those of the second pass.
    device, dtype
        Where the weights are made, and as what; they are not initialised to anything useful
        until a checkpoint or an optimiser fills them.
    """

    def __init__(
        self,
        network: NetworkSpec,
        latent: LatentSpec,
        *,
        fine: bool = False,
        device: torch.device | str,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.network = network
        self.latent = latent
        depth = network.depth_fine if fine else network.depth
        width = network.width_fine if fine else network.width
        entry = encoded_length(network.multires, encode=network.encode) + latent.dim_shape

        def linear(inputs: int, outputs: int) -> Linear:
            return Linear(inputs, outputs, device=device, dtype=dtype)

        self.pts_linears = nn.ModuleList(
            linear(trunk_inputs(layer, entry, width, SKIP_LAYER), width) for layer in range(depth)
        )
        view = self._view_length() + latent.dim_appearance
        self.has_view_branch = view > 0
        if self.has_view_branch:
            self.feature_linear = linear(width, width)
            self.alpha_linear = linear(width, 1)
            self.views_linears = nn.ModuleList([linear(width + view, width // 2)])
            self.rgb_linear = linear(width // 2, 3)
        else:
            self.output_linear = linear(width, 5 if network.importance else 4)

    def _view_length(self) -> int:
        if not self.network.use_viewdirs:
            return 0
        return encoded_length(self.network.multires_views, encode=self.network.encode)

    def encode_points(self, points: Tensor) -> Tensor:
        """Points as the trunk takes them, shape = (..., 3 + 6 L)."""
        return encode(points, self.network.multires) if self.network.encode else points

    def encode_directions(self, directions: Tensor) -> Tensor:
        """Unit directions as the view branch takes them, shape = (..., 3 + 6 L)."""
        network = self.network
        return encode(directions, network.multires_views) if network.encode else directions

    def trunk(self, points: Tensor, shape: Tensor) -> Tensor:
        """Features that density and colour are read from, shape = (..., width)."""
        entry = join([self.encode_points(points), shape])
        return trunk(entry, self.pts_linears, SKIP_LAYER)

    def forward(
        self, points: Tensor, directions: Tensor | None, shape: Tensor, appearance: Tensor
    ) -> tuple[Density, Colour]:
        """Raw density and raw colour; leading dimensions broadcast.

        Parameters
        ----------
        points : Tensor, shape = (..., 3)
            World units, z up, the object at the origin.
        directions : Tensor, shape = (..., 3), or None
            Unit viewing directions, away from the camera; not looked at unless the network
            was trained with `use_viewdirs`.
        shape : Tensor, shape = (..., dim_shape)
        appearance : Tensor, shape = (..., dim_appearance)

        Returns
        -------
        density : Tensor, shape = (...)
            Before the rectifier. It depends on `points` and `shape` alone.
        colour : Tensor, shape = (..., 3)
            Before the sigmoid.
        """
        h = self.trunk(points, shape)
        return self.density(h), self.colour(h, directions, appearance)

    def density(self, features: Tensor) -> Density:
        """Raw density of the trunk's features."""
        if not self.has_view_branch:
            raw: Tensor = self.output_linear(features)[..., 3]
        else:
            raw = self.alpha_linear(features)[..., 0]
        return raw

    def colour(self, features: Tensor, directions: Tensor | None, appearance: Tensor) -> Colour:
        """Raw colour of the trunk's features."""
        if not self.has_view_branch:
            plain: Tensor = self.output_linear(features)[..., :3]
            return plain
        parts = [self.feature_linear(features)]
        if self.network.use_viewdirs:
            if directions is None:
                raise ValueError("this field was trained with view directions; pass them")
            parts.append(self.encode_directions(directions))
        view = self.views_linears[0](join([*parts, appearance])).relu()
        raw: Tensor = self.rgb_linear(view)
        return raw
