"""The 2-D stage of one object, painted in less time.

Its styles are constants of an object, so that modulated weights are made once. How they are then
applied depends on what the device does fast:

* float32 on a processor: by minimal filtering (Lavin, Gray: *Fast Algorithms for Convolutional
  Neural Networks*, 2016), F(4 × 4, 3 × 3): a tile of 4 × 4 outputs takes 36 products a channel
  rather than 144. A layer that doubles the size, and the low-pass filter behind it, are together
  one convolution of 3 × 3 that gives four times the channels, one for each place in a pixel.
  Layers are made in strips of rows, so that what lies between stays small;
* bfloat16 or float16, where the device has it: plain convolutions.

`graf_cli.families.eg3d.network.Superresolution` is the naive twin.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.families.eg3d.network import (
    GAIN,
    SLOPE,
    TAPS,
    Layer,
    Superresolution,
    SynthesisBlock,
    ToColours,
    clamped,
    doubled,
    low_pass,
    modulated,
)

TILE = 4  # outputs of a tile along a side
REACH = TILE + 2  # inputs that they hang on
# Of a strip's tiles, times channels: what is transformed, 2 MB, stays in a processor's cache. With
# four times as many the transforms take twice the time.
NUMBERS = 1 << 14
# B, G and A of F(4, 3) at the points 0, ±1, ±2, ∞ (Lavin, Gray, section 4.4); A and B are
# written out below.
COLOURED = 16  # rows of pixels that are given their colours at once
KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)

Paint = Callable[[Tensor], Tensor]


def painter(stage: Superresolution, w: Tensor, dtype: torch.dtype) -> Paint:
    """What makes the picture, shape = (3, H, W), of features at the stage's size, (32, n, n).

    Parameters
    ----------
    stage : Superresolution
    w : Tensor, shape = (w_dim,)
    dtype : torch.dtype
        float32 is by minimal filtering, another one by plain convolutions in it.
    """
    make = _filtered if dtype == torch.float32 else _plain(dtype)
    blocks = [_Block(block, w, make) for block in (stage.block0, stage.block1)]

    def paint(features: Tensor) -> Tensor:
        x, image = _Map.of(features), features[None, :3]
        for block in blocks:
            x, image = block(x, image)
        return image[0]

    return paint


class _Map:
    """Features with a border of zeros, as the next layer takes them.

    Parameters
    ----------
    height, width, channels : int
    like : Tensor
        Of the device and type.

    Attributes
    ----------
    framed : Tensor, shape = (1 + h + 1 or more, 1 + w + 1 or more, channels)
        Whole tiles, and a border of one around them.
    inner : Tensor, shape = (height, width, channels)
    """

    def __init__(self, height: int, width: int, channels: int, like: Tensor) -> None:
        down, right = (-(-side // TILE) * TILE for side in (height, width))
        self.framed = like.new_empty((down + 2, right + 2, channels))
        self.inner = self.framed[1 : height + 1, 1 : width + 1]
        self.tiled = self.framed[1:-1, 1:-1]  # what is beyond the picture is to be cleared
        self.size = height, width

    @classmethod
    def of(cls, features: Tensor) -> _Map:
        """Of features, shape = (channels, h, w)."""
        channels, height, width = features.shape
        made = cls(height, width, channels, features)
        made.inner[:] = features.permute(1, 2, 0)
        return made.cleared()

    def cleared(self) -> _Map:
        """With zeros around the picture."""
        height, width = self.size
        for beyond in (self.framed[:1], self.framed[height + 1 :]):
            beyond.zero_()
        for beyond in (self.framed[:, :1], self.framed[:, width + 1 :]):
            beyond.zero_()
        return self


class _Block:
    """A `SynthesisBlock`."""

    def __init__(
        self, block: SynthesisBlock, w: Tensor, make: Callable[[Layer, Tensor], _Layer]
    ) -> None:
        self.up = block.up
        self.layers = [make(layer, w) for layer in block.layers]
        self.colours = _Colours(block.torgb, w)

    def __call__(self, x: _Map, image: Tensor) -> tuple[_Map, Tensor]:
        """Features and picture, shape = (1, 3, h, w)."""
        for layer in self.layers:
            x = layer(x)
        colours = self.colours(x.inner)
        return x, (doubled(image) if self.up else image) + colours


class _Colours:
    """A colour layer."""

    def __init__(self, layer: ToColours, w: Tensor) -> None:
        self.clamp = layer.clamp
        weight = modulated(layer.weight, layer.affine(w[None])[0], demodulate=False)
        self.weight, self.bias = weight[:, :, 0, 0], layer.bias

    def __call__(self, x: Tensor) -> Tensor:
        # Always at full precision: three sums that are seen as they are.
        made = [
            functional.linear(rows.to(self.weight.dtype), self.weight, self.bias)
            for rows in torch.split(x, COLOURED)
        ]
        return clamped(torch.cat(made).permute(2, 0, 1)[None], self.clamp)


_Layer = Callable[[_Map], _Map]


def _styled(layer: Layer, w: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """Weight, bias and noise with the activation's gain in them."""
    weight = modulated(layer.weight, layer.affine(w[None])[0], demodulate=True) * GAIN
    noise = layer.noise_const * (layer.noise_strength * GAIN) if layer.noisy else None
    return weight, layer.bias * GAIN, noise


# plain convolutions at reduced precision


def _plain(dtype: torch.dtype) -> Callable[[Layer, Tensor], _Layer]:
    def make(layer: Layer, w: Tensor) -> _Layer:
        weight, bias, noise = _styled(layer, w)
        weight = weight.transpose(0, 1).to(dtype) if layer.up else weight.to(dtype)
        bias = bias.to(dtype)

        def run(x: _Map) -> _Map:
            image = x.inner.to(dtype).permute(2, 0, 1)[None]
            if layer.up:
                image = functional.conv_transpose2d(image, weight, stride=2)
                image = low_pass(functional.pad(image, (1, 1, 1, 1))) + bias[:, None, None]
            else:
                image = functional.conv2d(image, weight, bias, padding=1)
            if noise is not None:
                image = image + noise.to(dtype)
            image = clamped(functional.leaky_relu(image, SLOPE), layer.clamp)
            return _Map.of(image[0])

        return run

    return make


# minimal filtering


class _Filtered:
    """A layer as products of transformed tiles."""

    def __init__(self, layer: Layer, w: Tensor) -> None:
        weight, bias, self.noise = _styled(layer, w)
        self.clamp, self.bias, self.times = layer.clamp, bias, 2 if layer.up else 1
        self.weight = transformed(phases(weight) if layer.up else weight)

    def __call__(self, x: _Map) -> _Map:
        height, width = x.size
        times, out = self.times, len(self.bias)
        made = _Map(times * height, times * width, out, x.framed)
        rows, columns = ((side - 2) // TILE for side in x.framed.shape[:2])
        whole = made.tiled
        if whole.shape[0] != times * rows * TILE or whole.shape[1] != times * columns * TILE:
            whole = x.framed.new_empty((times * rows * TILE, times * columns * TILE, out))
        step = max(NUMBERS // (columns * max(self.weight.shape[1:])), 1)
        for first in range(0, rows, step):
            count = min(step, rows - first)
            top = TILE * first
            v = from_tiles(x.framed[top : top + TILE * count + 2])
            products = torch.bmm(v.reshape(REACH**2, count * columns, -1), self.weight)
            part = slice(times * top, times * (top + TILE * count))
            # Places in a pixel, where it is doubled, come behind the tile's own.
            to = whole[part].view(count, TILE, times, columns, TILE, times, out)
            to = to.permute(1, 4, 0, 3, 2, 5, 6)
            to_tiles(products.view(REACH, REACH, count, columns, times, times, out), to)
            self._finish(whole[part], part)
        if whole is not made.tiled:
            made.inner[:] = whole[: times * height, : times * width]
        return made.cleared()

    def _finish(self, x: Tensor, rows: slice) -> None:
        """Bias, noise, activation and clamp, in place."""
        x += self.bias
        if self.noise is not None:
            noise = self.noise[rows]
            x[: len(noise), : noise.shape[1]] += noise[..., None]
        functional.leaky_relu_(x, SLOPE)
        if self.clamp is not None:
            x.clamp_(-self.clamp, self.clamp)


def _filtered(layer: Layer, w: Tensor) -> _Layer:
    return _Filtered(layer, w)


def phases(weight: Tensor) -> Tensor:
    """Kernels of 3 × 3, shape = (4·out, in, 3, 3), of a layer that doubles the size.

    Row v = 2m + p of what comes out of the transposed convolution and the filter behind it is the
    sum over d of ``Σ_k F[2d + k − p + 1] · weight[k]`` times row m + d of what goes in, F being
    the taps; and so along columns. Phases p are the slowest axis of what comes out.
    """
    row = torch.tensor(TAPS, device="cpu", dtype=weight.dtype).to(device=weight.device) / 4
    along = torch.zeros((2, 3, 3), device=weight.device, dtype=weight.dtype)  # p, d + 1, k
    for p in range(2):
        for d in (-1, 0, 1):
            for k in range(3):
                tap = 2 * d + k - p + 1
                if 0 <= tap < len(TAPS):
                    along[p, d + 1, k] = row[tap]
    made = torch.einsum("pdk,qel,oikl->pqoide", along, along, weight)
    return made.flatten(0, 2)


def transformed(weight: Tensor) -> Tensor:
    """Kernels of 3 × 3, shape = (out, in, 3, 3), for the products, (36, in, out), columns first."""
    kernel = torch.tensor(KERNEL, device="cpu", dtype=torch.float64)
    kernel = kernel.to(device=weight.device, dtype=weight.dtype)
    made = torch.einsum("ak,bl,oikl->baio", kernel, kernel, weight)
    return made.flatten(0, 1).contiguous()


def from_tiles(x: Tensor) -> Tensor:
    """``Bᵀ d B`` of tiles that overlap, shape = (6, 6, rows, columns, channels).

    Of a strip, shape = (4·rows + 2, 4·columns + 2, channels). Columns of a tile come first.
    """
    height, width = (side - REACH + 1 for side in x.shape[:2])
    along = _from_tile([x[k : k + height : TILE] for k in range(REACH)])
    return _from_tile([along[:, :, k : k + width : TILE] for k in range(REACH)])


def _from_tile(d: list[Tensor]) -> Tensor:
    made = d[0].new_empty((REACH, *d[0].shape))
    torch.add(torch.add(d[4], d[2], alpha=-5), d[0], alpha=4, out=made[0])
    even, odd = torch.add(d[4], d[2], alpha=-4), torch.add(d[3], d[1], alpha=-4)
    torch.add(even, odd, out=made[1])
    torch.sub(even, odd, out=made[2])
    even, odd = torch.sub(d[4], d[2]), torch.sub(d[3], d[1])
    torch.add(even, odd, alpha=2, out=made[3])
    torch.add(even, odd, alpha=-2, out=made[4])
    torch.add(torch.add(d[5], d[3], alpha=-5), d[1], alpha=4, out=made[5])
    return made


def to_tiles(m: Tensor, to: Tensor) -> None:
    """``Aᵀ m A`` of (6, 6, …), columns first, into (4, 4, …), rows first."""
    along = m.new_empty((TILE, *m.shape[1:]))
    _to_tile(list(m), along)
    _to_tile(list(along.unbind(1)), to)


def _to_tile(m: list[Tensor], to: Tensor) -> None:
    p, q, r, s = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    torch.add(torch.add(m[0], p), r, out=to[0])
    torch.add(q, s, alpha=2, out=to[1])
    torch.add(p, r, alpha=4, out=to[2])
    torch.add(torch.add(q, m[5]), s, alpha=8, out=to[3])
