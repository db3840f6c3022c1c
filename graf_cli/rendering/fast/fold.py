"""A conditioned field with everything constant folded away.

Within one object the codes are constants, so their products with the weights are biases. The
feature layer has no activation, so it folds into the view layer. A direction belongs to a ray, so
its product is made once a ray. What is left is the part that depends on the point.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from graf_cli.model.field import RadianceField
from graf_cli.model.kernels import Affine, has_fused_product, in_tiles, plain_tile, tile_of
from graf_cli.model.latent import Latent
from graf_cli.model.spec import SKIP_LAYER

ALIGN = 16  # the matrix kernels like a multiple of this many inputs


def scouting_dtype(device: torch.device) -> torch.dtype:
    """What is good enough to look for emptiness: bfloat16 where it is fast, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu" and has_fused_product(device, torch.bfloat16):
        ask: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
        capabilities = ask()
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            return torch.bfloat16
    return torch.float32


class FoldedDensity:
    """The density trunk of one shape.

    Parameters
    ----------
    field : RadianceField
    shape : Tensor, shape = (dim_shape,)
    dtype : torch.dtype
        Of the matrix products; encodings are made in float32 and densities come in float32.
    """

    def __init__(self, field: RadianceField, shape: Tensor, dtype: torch.dtype) -> None:
        self.device, self.dtype = next(field.parameters()).device, dtype
        network = field.network
        octaves = network.multires if network.encode else 0
        self.scale = (1 << torch.arange(octaves, device=self.device, dtype=torch.int64)).to(
            torch.float32
        )[:, None]
        self.encoded = 3 + 6 * octaves
        self.padding = -self.encoded % ALIGN
        code = shape.to(device=self.device, dtype=torch.float64)
        self.layers = [
            self._folded(layer, *_exact(linear), code)
            for layer, linear in enumerate(field.pts_linears)
        ]
        head = field.alpha_linear if field.has_view_branch else field.output_linear
        row = 0 if field.has_view_branch else 3
        only = slice(row, row + 1)
        self.head = Affine(head.weight[only], head.bias[only], torch.float32)
        self.tile = tile_of(self.device, dtype)

    def _folded(self, layer: int, weight: Tensor, bias: Tensor, code: Tensor) -> Affine:
        """One layer; the first and the one after the skip see the encoded point and the code."""
        if layer in (0, SKIP_LAYER + 1):
            entry, rest = weight[:, : self.encoded], weight[:, self.encoded :]
            bias = bias + rest[:, : len(code)] @ code
            weight = torch.cat((rest[:, len(code) :], self._reordered(entry)), dim=-1)
        return Affine(weight, bias, self.dtype)

    def _reordered(self, entry: Tensor) -> Tensor:
        """Columns in the order of `encode`: all sines, all cosines, the point, zeros."""
        waves = entry[:, 3:].reshape(len(entry), -1, 2, 3)
        parts = (waves[:, :, 0].flatten(1), waves[:, :, 1].flatten(1), entry[:, :3])
        return functional.pad(torch.cat(parts, dim=-1), (0, self.padding))

    def encode(self, points: Tensor) -> Tensor:
        """Points, shape = (n, 3), as the first layer takes them."""
        angles = (points[:, None, :] * self.scale).flatten(1)
        pad = points.new_zeros((len(points), self.padding))
        return torch.cat((angles.sin(), angles.cos(), points, pad), dim=-1).to(self.dtype)

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """What colour is read from, shape = (n, width), and raw density, shape = (n,), float32."""
        features, density = in_tiles(self._run, self.tile, points)
        return features, density[:, 0]

    def at(self, points: Tensor) -> Tensor:
        """Raw density alone."""
        return self(points)[1]

    def _run(self, points: Tensor) -> tuple[Tensor, Tensor]:
        entry = self.encode(points)
        h = self.layers[0].rectified(entry)
        for layer, affine in enumerate(self.layers[1:], 1):
            h = affine.rectified(torch.cat((h, entry), -1) if layer == SKIP_LAYER + 1 else h)
        return h, self.head(h.to(torch.float32))


class UnfoldedDensity:
    """The same in the plain marcher's own arithmetic, to the last bit.

    Where a second pass takes its samples is decided by comparing sums of the first one's weights;
    there even rounding can move a sample across an edge.

    Parameters
    ----------
    field : RadianceField
    shape : Tensor, shape = (dim_shape,)
    """

    def __init__(self, field: RadianceField, shape: Tensor) -> None:
        first = next(field.parameters())
        self.field = field
        self.shape = shape.to(device=first.device, dtype=first.dtype)
        self.tile = plain_tile(first.device, first.dtype)

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The points again, since no colour is made, and raw density, shape = (n,)."""
        [density] = in_tiles(self._run, self.tile, points)
        return points, density

    def _run(self, points: Tensor) -> tuple[Tensor]:
        features = self.field.trunk(points, self.shape)
        if self.field.has_view_branch:
            return (self.field.alpha_linear(features)[:, 0],)
        return (self.field.output_linear(features)[:, 3],)


class FoldedColour:
    """The colour branch of one object.

    Parameters
    ----------
    field : RadianceField
    latent : Latent
    dtype : torch.dtype
        Of the matrix products.
    """

    def __init__(self, field: RadianceField, latent: Latent, dtype: torch.dtype) -> None:
        self.field, self.dtype = field, dtype
        self.view = _folded_view(field, latent, dtype) if field.has_view_branch else None
        self.tile = tile_of(next(field.parameters()).device, dtype)
        self.directions = _of_directions(field)
        out = field.rgb_linear if field.has_view_branch else field.output_linear
        self.out = Affine(out.weight[:3], out.bias[:3], dtype)

    def per_ray(self, directions: Tensor) -> Tensor | None:
        """What a ray's unit direction, shape = (n, 3), adds to each of its samples' view layer."""
        linear = self.directions
        if linear is None:
            return None
        encoded = self.field.encode_directions(directions)
        [added] = in_tiles(lambda rows: (linear(rows),), self.tile, encoded)
        return added.to(self.dtype)

    def __call__(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        """Raw colour, shape = (n, 3), float32, of features and their rays' `per_ray`."""
        given = (features,) if per_ray is None else (features, per_ray)
        [raw] = in_tiles(self._run, self.tile, *given)
        return raw.to(torch.float32)

    def _run(self, features: Tensor, per_ray: Tensor | None = None) -> tuple[Tensor]:
        if self.view is None:
            return (self.out(features),)
        if per_ray is None:
            return (self.out(self.view.rectified(features)),)
        return (self.out(self.view(features).add_(per_ray).relu_()),)


def _exact(linear: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias in double precision, so that folding does not round."""
    if not isinstance(linear, nn.Linear):
        raise TypeError(linear)
    return linear.weight.double(), linear.bias.double()


def _of_directions(field: RadianceField) -> Affine | None:
    """Columns of the view layer that the encoded direction goes through."""
    if not field.network.use_viewdirs:
        return None
    width = field.feature_linear.out_features
    octaves = field.network.multires_views if field.network.encode else 0
    weight, _ = _exact(field.views_linears[0])
    weight = weight[:, width : width + 3 + 6 * octaves]
    return Affine(weight, torch.zeros_like(weight[:, 0]), torch.float32)


def _folded_view(field: RadianceField, latent: Latent, dtype: torch.dtype) -> Affine:
    weight, bias = _exact(field.views_linears[0])
    feature_weight, feature_bias = _exact(field.feature_linear)
    width, codes = len(feature_bias), len(latent.appearance)
    code = latent.appearance.to(device=weight.device, dtype=torch.float64)
    bias = bias + weight[:, :width] @ feature_bias + weight[:, weight.shape[1] - codes :] @ code
    folded = weight[:, :width] @ feature_weight
    return Affine(folded, bias, dtype)
