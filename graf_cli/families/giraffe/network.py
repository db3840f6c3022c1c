"""The networks: fields that give density and features, and the 2-D network that paints them.

GIRAFFE, sections 3.1 and 3.3, as the release has them.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from graf_cli.families.giraffe.slabs import Kept
from graf_cli.families.giraffe.spec import FieldSpec, RendererSpec, Spec

SLOPE = 0.2  # of the leaky rectifier
GAUSS_SEED = 42  # random frequencies are in no checkpoint: everybody draws them anew
NORM_EPSILON = 1e-5
Device = torch.device | str


def encode(q: Tensor, octaves: int, divisor: float) -> Tensor:
    """``[sin(2^0 π q/D), cos(2^0 π q/D), …, sin(2^(L−1) π q/D), cos(2^(L−1) π q/D)]``.

    Parameters
    ----------
    q : Tensor, shape = (n, 3)
        Points or directions in a field's own coordinates.
    octaves : int
        L.
    divisor : float
        D.

    Returns
    -------
    Tensor, shape = (n, 6 L)
        `q` itself is not among the numbers.
    """
    q = q / divisor
    # Powers times π in double, then rounded once: the high octaves feel the difference.
    factors = [(1 << i) * math.pi for i in range(octaves)]
    angles = torch.stack([q * factor for factor in factors], dim=-2)
    return torch.stack((angles.sin(), angles.cos()), dim=-2).flatten(-3)


class Frequencies:
    """Random frequencies B in place of octaves: ``[sin(B π q/D), cos(B π q/D)]``.

    Parameters
    ----------
    spec : FieldSpec
        With `gauss` set.
    """

    def __init__(self, spec: FieldSpec) -> None:
        assert spec.gauss is not None
        generator = np.random.RandomState(GAUSS_SEED)
        self.of_points = spec.gauss * generator.standard_normal((3 * spec.gauss_points, 3))
        self.of_views = spec.gauss * generator.standard_normal((3 * spec.gauss_views, 3))

    def encode(self, q: Tensor, *, views: bool, divisor: float) -> Tensor:
        """Shape = (n, 3) to (n, 2 · frequencies)."""
        chosen = self.of_views if views else self.of_points
        b = torch.as_tensor(chosen, device="cpu", dtype=torch.float32).to(q)
        angles = (math.pi * (q / divisor)) @ b.T
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class Field(nn.Module):
    """A generative neural feature field: a point, a direction and two codes.

    Parameters
    ----------
    spec : FieldSpec
    code : int
        Length of the shape code, and of the appearance code.
    device
        Where the weights are made, without values.
    """

    def __init__(self, spec: FieldSpec, code: int, *, device: Device) -> None:
        super().__init__()
        self.spec = spec
        self.frequencies = Frequencies(spec) if spec.gauss is not None else None
        width, skips = spec.width, len(spec.skipped)

        def linear(inputs: int, outputs: int) -> nn.Linear:
            return nn.Linear(inputs, outputs, device=device, dtype=torch.float32)

        def linears(count: int, inputs: int) -> nn.ModuleList:
            return nn.ModuleList(linear(inputs, width) for _ in range(count))

        self.points = linear(spec.inputs, width)
        self.shape = linear(code, width)
        self.trunk = linears(spec.layers - 1, width)
        self.skip_points = linears(skips, spec.inputs)
        self.skip_shape = linears(skips, code)
        self.sigma = linear(width, 1)
        self.appearance = linear(code, width)
        self.view = linear(width, width)
        self.directions = linear(spec.inputs_views, width)
        self.out = linear(width, spec.features)

    def encode_points(self, p: Tensor) -> Tensor:
        """Points as the trunk takes them, shape = (n, 3) to (n, inputs)."""
        if self.frequencies is not None:
            return self.frequencies.encode(p, views=False, divisor=self.spec.divisor)
        return encode(p, self.spec.octaves, self.spec.divisor)

    def encode_directions(self, d: Tensor) -> Tensor:
        """Unit directions as the view branch takes them, shape = (n, 3) to (n, inputs)."""
        if self.frequencies is not None:
            return self.frequencies.encode(d, views=True, divisor=self.spec.divisor)
        return encode(d, self.spec.octaves_views, self.spec.divisor)

    def density(self, p: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden features, shape = (n, width), and raw density, shape = (n,).

        Parameters
        ----------
        p : Tensor, shape = (n, 3)
            In the field's own coordinates.
        shape : Tensor, shape = (code,)
        """
        entry = self.encode_points(p)
        h = (self.points(entry) + self.shape(shape)).relu()
        skip = 0
        for k, layer in enumerate(self.trunk):
            h = layer(h).relu()
            if k in self.spec.skipped:  # behind the rectifier, and not rectified again
                h = h + self.skip_shape[skip](shape) + self.skip_points[skip](entry)
                skip += 1
        return h, self.sigma(h)[..., 0]

    def radiance(self, h: Tensor, d: Tensor, appearance: Tensor) -> Tensor:
        """Features to be seen, shape = (n, features).

        Parameters
        ----------
        h : Tensor, shape = (n, width)
            Of `density`.
        d : Tensor, shape = (n, 3)
            Unit viewing directions in the field's own coordinates.
        appearance : Tensor, shape = (code,)
        """
        g = self.view(h) + self.appearance(appearance)
        if self.spec.views:
            g = (g + self.directions(self.encode_directions(d))).relu()
        seen: Tensor = self.out(g)
        return torch.exp(-seen).add(1).reciprocal() if self.spec.sigmoid else seen


def blur(x: Tensor) -> Tensor:
    """``(1, 2, 1) ⊗ (1, 2, 1) / 16``, borders reflected without repeating the edge."""
    channels = x.shape[1]
    line = torch.tensor([1.0, 2.0, 1.0], device=x.device, dtype=x.dtype)
    kernel = (line[:, None] * line / 16).expand(channels, 1, 3, 3)
    return functional.conv2d(functional.pad(x, (1, 1, 1, 1), "reflect"), kernel, groups=channels)


def upsample(x: Tensor, kind: str) -> Tensor:
    """Twice as many pixels along either side; bilinear ones are blurred. Shape (1, c, h, w)."""
    if kind == "nearest":
        return functional.interpolate(x, scale_factor=2, mode="nearest")
    return blur(functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))


class Renderer(nn.Module):
    """The neural renderer: a feature map becomes a picture (GIRAFFE, figure 4).

    Parameters
    ----------
    spec : RendererSpec
    inputs : int
        Channels of the feature map.
    device
        Where the weights are made, without values.
    """

    def __init__(self, spec: RendererSpec, inputs: int, *, device: Device) -> None:
        super().__init__()
        self.spec = spec

        def conv(ins: int, outs: int, size: int) -> nn.Conv2d:
            return nn.Conv2d(ins, outs, size, padding=size // 2, device=device, dtype=torch.float32)

        self.enter = conv(inputs, spec.width, 1) if spec.width != inputs else None
        self.layers = nn.ModuleList(
            conv(spec.channels(k), spec.channels(k + 1), 3) for k in range(spec.ups)
        )
        if spec.skip:
            pictures = [inputs, *(spec.channels(k + 1) for k in range(spec.ups))]
            self.rgb = nn.ModuleList(conv(channels, 3, 3) for channels in pictures)
        else:
            self.rgb = nn.ModuleList([conv(spec.channels(spec.ups), 3, 1)])

    def forward(self, x: Tensor) -> Tensor:
        """Shape (1, inputs, h, w) to (1, 3, h·2^ups, w·2^ups)."""
        spec = self.spec
        net = x if self.enter is None else self.enter(x)
        rgb = upsample(self.rgb[0](x), spec.upsample_rgb) if spec.skip else None
        for k, layer in enumerate(self.layers):
            net = layer(upsample(net, spec.upsample_features))
            if spec.norm:
                net = functional.instance_norm(net, eps=NORM_EPSILON)
            net = functional.leaky_relu(net, SLOPE)
            if rgb is not None:
                rgb = rgb + self.rgb[k + 1](net)
                if k < spec.ups - 1:
                    rgb = upsample(rgb, spec.upsample_rgb)
        if rgb is None:
            rgb = self.rgb[0](net)
        return torch.exp(-rgb).add(1).reciprocal() if spec.sigmoid else rgb


class Network(nn.Module):
    """All of one generator, and the backgrounds that its last frames had.

    Parameters
    ----------
    spec : Spec
    device
        Where the weights are made, without values.
    """

    def __init__(self, spec: Spec, *, device: Device) -> None:
        super().__init__()
        self.object = Field(spec.object, spec.code, device=device)
        self.background = Field(spec.background, spec.code_background, device=device)
        self.kept = Kept()
        if spec.renderer is not None:
            self.renderer = Renderer(spec.renderer, spec.object.features, device=device)
