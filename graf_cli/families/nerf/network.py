"""The radiance field of one scene: a point and a direction give density and colour.

NeRF, section 3 and appendix A; the names of layers are those of nerf-pytorch's state dict.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graf_cli.families.nerf.spec import SKIP_LAYER, NetworkSpec
from graf_cli.scene.kernels import Linear
from graf_cli.scene.mlp import encode, encoded_length, join, trunk, trunk_inputs


class NerfField(nn.Module):
    """One pass's network.

    Parameters
    ----------
    spec : NetworkSpec
    fine : bool
        Whether it is that of the second pass.
    device, dtype
        Where the weights are made, and as what; a checkpoint fills them.
    """

    def __init__(
        self, spec: NetworkSpec, *, fine: bool, device: torch.device | str, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.spec = spec
        depth = spec.depth_fine if fine else spec.depth
        width = spec.width_fine if fine else spec.width
        entry = encoded_length(spec.multires, encode=spec.encode)

        def linear(inputs: int, outputs: int) -> Linear:
            return Linear(inputs, outputs, device=device, dtype=dtype)

        self.pts_linears = nn.ModuleList(
            linear(trunk_inputs(layer, entry, width, SKIP_LAYER), width) for layer in range(depth)
        )
        if spec.use_viewdirs:
            view = encoded_length(spec.multires_views, encode=spec.encode)
            self.feature_linear = linear(width, width)
            self.alpha_linear = linear(width, 1)
            self.views_linears = nn.ModuleList([linear(width + view, width // 2)])
            self.rgb_linear = linear(width // 2, 3)
        else:
            # A fifth output, which nothing is made of, comes with a second pass.
            self.output_linear = linear(width, 5 if spec.importance else 4)

    def encode_points(self, points: Tensor) -> Tensor:
        """Points as the trunk takes them, shape = (..., 3 + 6 L)."""
        return encode(points, self.spec.multires) if self.spec.encode else points

    def encode_directions(self, directions: Tensor) -> Tensor:
        """Unit directions as the view branch takes them, shape = (..., 3 + 6 L)."""
        return encode(directions, self.spec.multires_views) if self.spec.encode else directions

    def trunk(self, points: Tensor) -> Tensor:
        """Features that density and colour are read from, shape = (..., width)."""
        return trunk(self.encode_points(points), self.pts_linears, SKIP_LAYER)

    def density(self, features: Tensor) -> Tensor:
        """Raw density of the trunk's features, shape = (...)."""
        if self.spec.use_viewdirs:
            raw: Tensor = self.alpha_linear(features)[..., 0]
        else:
            raw = self.output_linear(features)[..., 3]
        return raw

    def colour(self, features: Tensor, directions: Tensor) -> Tensor:
        """Raw colour of the trunk's features and unit directions, shape = (..., 3)."""
        if not self.spec.use_viewdirs:
            plain: Tensor = self.output_linear(features)[..., :3]
            return plain
        parts = [self.feature_linear(features), self.encode_directions(directions)]
        raw: Tensor = self.rgb_linear(self.views_linears[0](join(parts)).relu())
        return raw


class Network(nn.Module):
    """The fields of both passes.

    Parameters
    ----------
    coarse : NerfField
    fine : NerfField or None
        Of the second pass, where there is one.
    """

    def __init__(self, coarse: NerfField, fine: NerfField | None) -> None:
        super().__init__()
        self.coarse = coarse
        self.fine = fine


def as_network(module: nn.Module) -> Network:
    """A generator's network as that of a NeRF; TypeError when it is another family's."""
    if not isinstance(module, Network):
        raise TypeError(module)
    return module
