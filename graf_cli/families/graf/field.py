"""The conditional radiance field: a point, a direction and two codes give density and colour.

GRAF, section 3.2; the encoding is equation 3 without its factor π, as the released code has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from graf_cli.families.graf.spec import SKIP_LAYER, LatentSpec, NetworkSpec
from graf_cli.scene.kernels import Linear

Density: TypeAlias = Tensor  # (...,) raw, before the rectifier
Colour: TypeAlias = Tensor  # (..., 3) raw, before the sigmoid
Field: TypeAlias = Callable[[Tensor, Tensor | None], tuple[Density, Colour]]


def encoded_length(octaves: int, *, encode: bool) -> int:
    """Numbers that `encode` makes of a 3-vector."""
    return 3 + 6 * octaves if encode else 3


def encode(p: Tensor, octaves: int) -> Tensor:
    """Positional encoding ``[p, sin(2^0 p), cos(2^0 p), …, sin(2^(L-1) p), cos(2^(L-1) p)]``.

    Parameters
    ----------
    p : Tensor, shape = (..., 3)
        Points in world units, or unit directions.
    octaves : int
        L; with none the result is `p` alone.

    Returns
    -------
    Tensor, shape = (..., 3 + 6 L)
    """
    octave = torch.arange(octaves, device=p.device, dtype=torch.int64)
    powers = (1 << octave).to(p.dtype)  # exact, which a floating power need not be
    angles = p[..., None, :] * powers[:, None]
    waves = torch.stack((angles.sin(), angles.cos()), dim=-2)
    return torch.cat((p, waves.flatten(-3)), dim=-1)


def _join(parts: list[Tensor]) -> Tensor:
    """Concatenate along the last axis, the leading ones broadcast."""
    # NumPy's: PyTorch's own imports a compiler, a third of a second for a picture of a tenth.
    lead = np.broadcast_shapes(*(tuple(part.shape[:-1]) for part in parts))
    return torch.cat([part.expand(*lead, part.shape[-1]) for part in parts], dim=-1)


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
            linear(self._trunk_inputs(layer, entry, width), width) for layer in range(depth)
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

    @staticmethod
    def _trunk_inputs(layer: int, entry: int, width: int) -> int:
        if layer == 0:
            return entry
        return entry + width if layer == SKIP_LAYER + 1 else width

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
        entry = _join([self.encode_points(points), shape])
        h = entry
        for layer, linear in enumerate(self.pts_linears):
            h = linear(h).relu()
            if layer == SKIP_LAYER:
                h = torch.cat((entry, h), dim=-1)
        return h

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
        view = self.views_linears[0](_join([*parts, appearance])).relu()
        raw: Tensor = self.rgb_linear(view)
        return raw
