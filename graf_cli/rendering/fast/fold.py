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
from graf_cli.model.latent import Latent
from graf_cli.model.spec import SKIP_LAYER

ROWS = 128  # points come to the matrix kernels in multiples of this
TILES = {"cuda": 1 << 13}  # points of a product where kernels differ with the number of rows
TILE = 512  # the same on other devices
ALIGN = 16  # the matrix kernels like a multiple of this many inputs


class Affine:
    """``x @ weight.T + bias``.

    Parameters
    ----------
    weight : Tensor, shape = (outputs, inputs)
    bias : Tensor, shape = (outputs,)
    dtype : torch.dtype
    """

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self.weight, self.bias = weight.to(dtype).contiguous(), bias.to(dtype)
        self.fused = _has_fused_product(weight.device, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Shape (n, inputs) to (n, outputs)."""
        return self._product(x, "none") if self.fused else self._plain(x)

    def rectified(self, x: Tensor) -> Tensor:
        """The same, followed by the rectifier."""
        return self._product(x, "relu") if self.fused else self._plain(x).relu_()

    def _plain(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)

    def _product(self, x: Tensor, then: str) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(  # type: ignore[no-any-return]
            x, self.weight, self.bias, then, [], ""
        )


def _has_fused_product(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN takes the product, with the rectifier in it.

    It uses AVX-512 wherever there is some; the library that PyTorch multiplies float32 with by
    default does so on one maker's processors only, and is half as fast on the others.
    """
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and dtype in (torch.float32, torch.bfloat16)
    )


def scouting_dtype(device: torch.device) -> torch.dtype:
    """What is good enough to look for emptiness: bfloat16 where it is fast, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu" and _has_fused_product(device, torch.bfloat16):
        ask: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
        capabilities = ask()
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            return torch.bfloat16
    return torch.float32


def tile_of(device: torch.device, dtype: torch.dtype) -> int | None:
    """How many points a product is made of, so that no point's result depends on the others.

    oneDNN's sums are the same for a row whatever rows stand beside it. Other libraries choose
    among kernels by the number of rows, so that they have to meet one number alone; None is any.
    """
    return None if _has_fused_product(device, dtype) else TILES.get(device.type, TILE)


def in_tiles(
    run: Callable[..., tuple[Tensor, ...]], tile: int | None, *rows: Tensor
) -> tuple[Tensor, ...]:
    """``run(*rows)`` with a number of rows that the matrix kernels know.

    Parameters
    ----------
    run : callable
        What makes row i of each of its results of the rows i of what it is given.
    tile : int or None
        See `tile_of`. With None the rows are padded: the kernels are compiled for each number of
        rows they meet, which takes longer than the product itself; let them meet few.
    *rows : Tensor, shape = (n, …)
    """
    count = len(rows[0])
    missing = -count % (tile or ROWS)
    if missing:
        rows = tuple(functional.pad(one, (0, 0, 0, missing)) for one in rows)
    if tile is None or count <= tile:
        return tuple(made[:count] for made in run(*rows))
    parts = [run(*part) for part in zip(*(torch.split(one, tile) for one in rows), strict=True)]
    return tuple(torch.cat(made)[:count] for made in zip(*parts, strict=True))


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
        self.tile = TILES.get(first.device.type, TILE)

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
