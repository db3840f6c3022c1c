"""The networks of EG3D: mapping, backbone, decoder and the stage that enlarges.

Learning-rate multipliers and gains are part of the weights here (`checkpoint` multiplies them in),
so that every layer is a plain one. Letters: n texels along a side, r rows of codes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from graf_cli.families.eg3d.spec import HIDDEN, LABEL, PLANE_CHANNELS, PLANES, Spec
from graf_cli.scene.kernels import full_precision

GAIN = math.sqrt(2)  # behind every leaky ReLU, which halves the variance
SLOPE = 0.2  # of the leaky ReLU
EPSILON = 1e-8  # under square roots
TAPS = (1.0, 3.0, 3.0, 1.0)  # of the low-pass filter, whose outer product is divided by 64


class Linear(nn.Module):
    """``y = x Wᵀ + b``."""

    def __init__(self, width: int, out: int, *, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out, width, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Of inputs, shape = (…, width)."""
        return functional.linear(x, self.weight, self.bias)


def leaky(x: Tensor) -> Tensor:
    """The activation of all layers."""
    return functional.leaky_relu(x, SLOPE) * GAIN


def normalised(x: Tensor) -> Tensor:
    """By the root of the mean square of the last axis."""
    return x * (x.square().mean(dim=-1, keepdim=True) + EPSILON).rsqrt()


class Mapping(nn.Module):
    """z and a camera's label become w (StyleGAN2, section 2)."""

    w_avg: Tensor

    def __init__(self, spec: Spec, *, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.conditioned, self.c_scale = spec.conditioned, spec.c_scale
        self.embed = Linear(LABEL, spec.w_dim, device=device, dtype=dtype)
        widths = [spec.z_dim + spec.w_dim] + [spec.w_dim] * spec.mapping_layers
        for layer in range(spec.mapping_layers):
            made = Linear(widths[layer], widths[layer + 1], device=device, dtype=dtype)
            self.add_module(f"fc{layer}", made)
        self.layers = spec.mapping_layers
        self.register_buffer("w_avg", torch.empty(spec.w_dim, device=device, dtype=dtype))

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Of codes, shape = (n, z_dim), and labels, shape = (n, 25): w, shape = (n, w_dim)."""
        scale = self.c_scale if self.conditioned else 0.0
        x = torch.cat((normalised(z), normalised(self.embed(label * scale))), dim=-1)
        for layer in range(self.layers):
            x = leaky(self.get_submodule(f"fc{layer}")(x))
        return x


# convolutions


def low_pass(x: Tensor) -> Tensor:
    """Correlate each channel with the filter, four times; shape = (1, c, n + 3, n + 3) to n."""
    row = torch.tensor(TAPS, device="cpu", dtype=x.dtype).to(device=x.device)
    taps = torch.outer(row, row) * (4 / 64)
    channels = x.shape[1]
    return functional.conv2d(x, taps.expand(channels, 1, 4, 4), groups=channels)


def doubled(image: Tensor) -> Tensor:
    """Twice the size: zeros between the pixels, then the filter."""
    _, channels, height, width = image.shape
    zeros = torch.zeros_like(image)
    spread = torch.stack((image, zeros), dim=-1).reshape(1, channels, height, 2 * width)
    spread = torch.stack((spread, torch.zeros_like(spread)), dim=-2)
    spread = spread.reshape(1, channels, 2 * height, 2 * width)
    return low_pass(functional.pad(spread, (2, 1, 2, 1)))


def modulated(weight: Tensor, style: Tensor, *, demodulate: bool) -> Tensor:
    """A convolution's weight under a style, shape = (out, in, k, k) (StyleGAN2, section 2.2)."""
    weight = weight * style[None, :, None, None]
    if demodulate:
        norm = weight.square().sum(dim=(1, 2, 3), keepdim=True)
        weight = weight * (norm + EPSILON).rsqrt()
    return weight


def clamped(x: Tensor, bound: float | None) -> Tensor:
    """Held between −bound and bound."""
    return x if bound is None else x.clamp(-bound, bound)


class Layer(nn.Module):
    """A modulated convolution of 3 × 3, noise, bias and activation."""

    noise_const: Tensor

    def __init__(
        self, width: int, out: int, w_dim: int, n: int, *, up: bool, clamp: float | None,
        noisy: bool, device: torch.device, dtype: torch.dtype,
    ) -> None:  # fmt: skip
        super().__init__()
        self.up, self.clamp, self.size = up, clamp, n
        self.affine = Linear(w_dim, width, device=device, dtype=dtype)
        self.weight = nn.Parameter(torch.empty(out, width, 3, 3, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out, device=device, dtype=dtype))
        self.noisy = noisy
        if noisy:
            self.register_buffer("noise_const", torch.empty(n, n, device=device, dtype=dtype))
            self.noise_strength = nn.Parameter(torch.empty((), device=device, dtype=dtype))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Of features, shape = (1, width, n, n), and w; `noise`, shape = (n, n), is scaled."""
        # The gain passes through the leaky ReLU, and so does not have to touch every pixel.
        weight = modulated(self.weight, self.affine(w[None])[0], demodulate=True) * GAIN
        bias = self.bias * GAIN
        # Two thirds of the time that planes of one channel each take.
        x = x.contiguous(memory_format=torch.channels_last)
        if self.up:
            x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = low_pass(functional.pad(x, (1, 1, 1, 1))) + bias[:, None, None]
        else:
            x = functional.conv2d(x, weight, bias, padding=1)
        if noise is not None:
            x = x + noise * (self.noise_strength * GAIN)
        return clamped(functional.leaky_relu(x, SLOPE), self.clamp)


class ToColours(nn.Module):
    """A modulated convolution of 1 × 1 without demodulation."""

    def __init__(
        self, width: int, out: int, w_dim: int, *, clamp: float | None,
        device: torch.device, dtype: torch.dtype,
    ) -> None:  # fmt: skip
        super().__init__()
        self.clamp = clamp
        self.affine = Linear(w_dim, width, device=device, dtype=dtype)
        self.weight = nn.Parameter(torch.empty(out, width, 1, 1, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out, device=device, dtype=dtype))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Of features, shape = (1, width, n, n), and w."""
        weight = modulated(self.weight, self.affine(w[None])[0], demodulate=False)
        return clamped(functional.conv2d(x, weight, self.bias), self.clamp)


class SynthesisBlock(nn.Module):
    """One or two layers at a resolution, and what they add to the image."""

    def __init__(
        self, width: int, out: int, image: int, w_dim: int, n: int, *, up: bool,
        clamp: float | None, noisy: bool, device: torch.device, dtype: torch.dtype,
    ) -> None:  # fmt: skip
        super().__init__()
        self.up = up

        def layer(width: int, *, up: bool) -> Layer:
            return Layer(
                width, out, w_dim, n, up=up, clamp=clamp, noisy=noisy, device=device, dtype=dtype
            )

        if width:
            self.conv0 = layer(width, up=up)
        else:
            self.const = nn.Parameter(torch.empty(out, n, n, device=device, dtype=dtype))
        self.conv1 = layer(out, up=False)
        self.torgb = ToColours(out, image, w_dim, clamp=clamp, device=device, dtype=dtype)

    @property
    def layers(self) -> list[Layer]:
        """The convolutions, in their order."""
        return [self.conv1] if hasattr(self, "const") else [self.conv0, self.conv1]

    def forward(
        self, x: Tensor | None, image: Tensor | None, ws: Iterable[Tensor],
        noise: Iterable[Tensor | None],
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Features and image of twice the size, or of the same.

        Parameters
        ----------
        x, image : Tensor or None
            Of the block before; None for the first.
        ws : iterable of Tensor, shape = (w_dim,)
            For each convolution and the colours.
        noise : iterable of Tensor or None
            For each convolution.
        """
        *rows, last = ws
        x = self.const[None] if x is None else x
        for made, w, drawn in zip(self.layers, rows, noise, strict=True):
            x = made(x, w, drawn)
        colours = self.torgb(x, last)
        if image is not None:
            colours = (doubled(image) if self.up else image) + colours
        return x, colours


class Backbone(nn.Module):
    """w becomes feature planes (section 4.1; StyleGAN2 with skips)."""

    def __init__(self, spec: Spec, *, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.count = len(spec.channels)
        for index, (width, out) in enumerate(zip((0, *spec.channels), spec.channels, strict=False)):
            block = SynthesisBlock(
                width, out, PLANES * PLANE_CHANNELS, spec.w_dim, 4 << index, up=True,
                clamp=spec.clamp, noisy=True, device=device, dtype=dtype,
            )  # fmt: skip
            self.add_module(f"b{4 << index}", block)

    @property
    def blocks(self) -> list[SynthesisBlock]:
        """From the smallest up."""
        found = [self.get_submodule(f"b{4 << index}") for index in range(self.count)]
        return [block for block in found if isinstance(block, SynthesisBlock)]

    @property
    def layers(self) -> list[Layer]:
        """All convolutions, in the order in which noise is drawn for them."""
        return [layer for block in self.blocks for layer in block.layers]

    @full_precision()
    def forward(self, ws: Tensor, noise: list[Tensor | None]) -> Tensor:
        """Of rows, shape = (r, w_dim), planes, shape = (3, 32, n, n).

        A block's colours take the row after its convolutions', which the next block uses again.
        """
        x: Tensor | None = None
        image: Tensor | None = None
        row = layer = 0
        for block in self.blocks:
            count = len(block.layers)
            some = ws[row : row + count + 1].unbind(0)
            x, image = block(x, image, some, noise[layer : layer + count])
            row, layer = row + count, layer + count
        assert image is not None
        return image.reshape(PLANES, PLANE_CHANNELS, *image.shape[2:])


class Decoder(nn.Module):
    """Features of a point become its density and what is seen of it."""

    def __init__(self, *, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.hidden = Linear(PLANE_CHANNELS, HIDDEN, device=device, dtype=dtype)
        self.out = Linear(HIDDEN, 1 + PLANE_CHANNELS, device=device, dtype=dtype)

    def forward(self, features: Tensor) -> Tensor:
        """Raw density and raw features, shape = (n, 33)."""
        out: Tensor = self.out(functional.softplus(self.hidden(features)))
        return out


class Superresolution(nn.Module):
    """The stage that enlarges the picture (section 4.3)."""

    def __init__(self, spec: Spec, *, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.spec = spec
        first, second = spec.stage_channels
        n = spec.stage_input * (2 if spec.enlarges_first else 1)
        noisy = spec.stage_noise == "const"
        self.block0 = SynthesisBlock(
            PLANE_CHANNELS, first, 3, spec.w_dim, n, up=spec.enlarges_first,
            clamp=spec.stage_clamp, noisy=noisy, device=device, dtype=dtype,
        )  # fmt: skip
        self.block1 = SynthesisBlock(
            first, second, 3, spec.w_dim, 2 * n, up=True,
            clamp=spec.stage_clamp, noisy=noisy, device=device, dtype=dtype,
        )  # fmt: skip

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        """Of features, shape = (32, h, w) in [−1, 1], the picture, shape = (3, H, W), likewise."""
        return self.painted(self.resized(features[None]), w)

    @full_precision()
    def painted(self, x: Tensor, w: Tensor, top: int = 0, left: int = 0) -> Tensor:
        """The picture, shape = (3, H, W), of features at the first block's size, (1, 32, h, w).

        Of a part of them, whose first row and column are said, all but its border is as in the
        whole picture.
        """
        image = x[:, :3]
        for block in (self.block0, self.block1):
            times = 2 if block.up else 1
            top, left = times * top, times * left
            rows, columns = (
                slice(a, a + times * n) for a, n in zip((top, left), x.shape[2:], strict=True)
            )
            noise = [
                layer.noise_const[rows, columns] if layer.noisy else None for layer in block.layers
            ]
            x, image = block(x, image, (w, w, w), noise)
        return image[0]

    def resized(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Features, shape = (1, 32, h, w), at the size that the first block takes, or another."""
        n = self.spec.stage_input
        size = size or (n, n)
        if x.shape[2:] == size:
            return x
        return functional.interpolate(
            x, size=size, mode="bilinear", align_corners=False, antialias=self.spec.antialias
        )


class Generator(nn.Module):
    """All of one model."""

    def __init__(self, spec: Spec, *, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.mapping = Mapping(spec, device=device, dtype=dtype)
        self.backbone = Backbone(spec, device=device, dtype=dtype)
        self.decoder = Decoder(device=device, dtype=dtype)
        self.superresolution = Superresolution(spec, device=device, dtype=dtype)
