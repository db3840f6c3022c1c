"""The Inception network that Fréchet distances are measured with, built anew.

It is the third version of Szegedy et al., *Rethinking the Inception architecture for computer
vision* (CVPR 2016), in the form that TensorFlow's file of 5 December 2015 has, which FID's authors
used: 1,008 classes; averages that leave the padding out; and a maximum in place of the last one.
Names are those that PyTorch's own Inception made usual, so that converted weights fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 299  # pixels that pictures are scaled to
CLASSES = 1008  # of TensorFlow's file: a thousand, and some that mean nothing
FEATURES = 2048  # pooled: a row of them for a picture
EPSILON = 1e-3  # of batch normalisation, TensorFlow's
WHITE = 255.0
COUNTERS = ".num_batches_tracked"  # of training, which nothing that is read here depends on


@dataclass(frozen=True)
class _Layer:
    """One convolution; by default one that leaves the picture as large as it is."""

    name: str
    channels: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padded: bool = True

    def made(self, channels: int) -> _Convolution:
        """The module, of so many channels before it."""
        down, across = self.kernel
        padding = (down // 2, across // 2) if self.padded else (0, 0)
        return _Convolution(channels, self.channels, self.kernel, self.stride, padding)


def _shrinking(name: str, channels: int) -> _Layer:
    """3 × 3, every second place, within the picture."""
    return _Layer(name, channels, (3, 3), stride=2, padded=False)


class _Convolution(nn.Module):
    """A convolution without a bias, batch normalisation, and nothing below zero."""

    def __init__(
        self,
        before: int,
        after: int,
        kernel: tuple[int, int],
        stride: int,
        padding: tuple[int, int],
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            before, after, kernel, stride=stride, padding=padding, bias=False, device="meta"
        )
        self.bn = nn.BatchNorm2d(after, eps=EPSILON, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n, before, h, w) to (n, after, h', w')."""
        return functional.relu(self.bn(self.conv(x)))


# What a branch ends in: one layer, or several side by side that see the same.
_Branch = tuple[_Layer | tuple[_Layer, ...], ...]


class _Block(nn.Module):
    """Branches side by side, and one of pooling, put behind each other.

    Parameters
    ----------
    before : int
        Channels that come in.
    branches : tuple of branches
    pool : {"average", "most", "shrink"}
        Of 3 × 3: the average within the picture, the maximum, or the maximum at every second place.
    pooled : int
        Channels of a convolution behind it, `branch_pool`; 0 leaves it out.
    """

    def __init__(
        self, before: int, branches: tuple[_Branch, ...], pool: str, pooled: int = 0
    ) -> None:
        super().__init__()
        self.branches, self.pool, self.after = branches, pool, 0
        for branch in branches:
            channels = before
            for step in branch:
                side = step if isinstance(step, tuple) else (step,)
                for layer in side:
                    self.add_module(layer.name, layer.made(channels))
                channels = sum(layer.channels for layer in side)
            self.after += channels
        self.after += pooled or before
        self.branch_pool = _Layer("", pooled).made(before) if pooled else None

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n, before, h, w) to (n, after, h', w')."""
        found = []
        for branch in self.branches:
            y = x
            for step in branch:
                side = step if isinstance(step, tuple) else (step,)
                y = torch.cat([self.get_submodule(layer.name)(y) for layer in side], dim=1)
            found.append(y)
        beside = pooled(x, self.pool)
        found.append(beside if self.branch_pool is None else self.branch_pool(beside))
        return torch.cat(found, dim=1)


def pooled(x: Tensor, how: str) -> Tensor:
    """Of 3 × 3; see `_Block`."""
    if how == "average":
        return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    if how == "most":
        return functional.max_pool2d(x, 3, stride=1, padding=1)
    return functional.max_pool2d(x, 3, stride=2)


def _first(before: int, pooled: int) -> _Block:
    """Figure 5 of the paper, at 35 × 35."""
    branches: tuple[_Branch, ...] = (
        (_Layer("branch1x1", 64),),
        (_Layer("branch5x5_1", 48), _Layer("branch5x5_2", 64, (5, 5))),
        (
            _Layer("branch3x3dbl_1", 64),
            _Layer("branch3x3dbl_2", 96, (3, 3)),
            _Layer("branch3x3dbl_3", 96, (3, 3)),
        ),
    )
    return _Block(before, branches, "average", pooled)


def _to_17(before: int) -> _Block:
    branches: tuple[_Branch, ...] = (
        (_shrinking("branch3x3", 384),),
        (
            _Layer("branch3x3dbl_1", 64),
            _Layer("branch3x3dbl_2", 96, (3, 3)),
            _shrinking("branch3x3dbl_3", 96),
        ),
    )
    return _Block(before, branches, "shrink")


def _second(before: int, inner: int) -> _Block:
    """Figure 6, at 17 × 17: 7 × 7 in two steps, across and down."""
    across, down = (1, 7), (7, 1)
    branches: tuple[_Branch, ...] = (
        (_Layer("branch1x1", 192),),
        (
            _Layer("branch7x7_1", inner),
            _Layer("branch7x7_2", inner, across),
            _Layer("branch7x7_3", 192, down),
        ),
        (
            _Layer("branch7x7dbl_1", inner),
            _Layer("branch7x7dbl_2", inner, down),
            _Layer("branch7x7dbl_3", inner, across),
            _Layer("branch7x7dbl_4", inner, down),
            _Layer("branch7x7dbl_5", 192, across),
        ),
    )
    return _Block(before, branches, "average", 192)


def _to_8(before: int) -> _Block:
    branches: tuple[_Branch, ...] = (
        (_Layer("branch3x3_1", 192), _shrinking("branch3x3_2", 320)),
        (
            _Layer("branch7x7x3_1", 192),
            _Layer("branch7x7x3_2", 192, (1, 7)),
            _Layer("branch7x7x3_3", 192, (7, 1)),
            _shrinking("branch7x7x3_4", 192),
        ),
    )
    return _Block(before, branches, "shrink")


def _third(before: int, pool: str) -> _Block:
    """Figure 7, at 8 × 8."""
    branches: tuple[_Branch, ...] = (
        (_Layer("branch1x1", 320),),
        (
            _Layer("branch3x3_1", 384),
            (_Layer("branch3x3_2a", 384, (1, 3)), _Layer("branch3x3_2b", 384, (3, 1))),
        ),
        (
            _Layer("branch3x3dbl_1", 448),
            _Layer("branch3x3dbl_2", 384, (3, 3)),
            (_Layer("branch3x3dbl_3a", 384, (1, 3)), _Layer("branch3x3dbl_3b", 384, (3, 1))),
        ),
    )
    return _Block(before, branches, pool, 192)


class Network(nn.Module):
    """Pictures to their pooled features.

    It is made without memory, on the device "meta"; `filled` gives it weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _shrinking("", 32).made(3)
        self.Conv2d_2a_3x3 = _Layer("", 32, (3, 3), padded=False).made(32)
        self.Conv2d_2b_3x3 = _Layer("", 64, (3, 3)).made(32)
        self.Conv2d_3b_1x1 = _Layer("", 80).made(64)
        self.Conv2d_4a_3x3 = _Layer("", 192, (3, 3), padded=False).made(80)
        self.Mixed_5b = _first(192, 32)
        self.Mixed_5c = _first(self.Mixed_5b.after, 64)
        self.Mixed_5d = _first(self.Mixed_5c.after, 64)
        self.Mixed_6a = _to_17(self.Mixed_5d.after)
        self.Mixed_6b = _second(self.Mixed_6a.after, 128)
        self.Mixed_6c = _second(self.Mixed_6b.after, 160)
        self.Mixed_6d = _second(self.Mixed_6c.after, 160)
        self.Mixed_6e = _second(self.Mixed_6d.after, 192)
        self.Mixed_7a = _to_8(self.Mixed_6e.after)
        self.Mixed_7b = _third(self.Mixed_7a.after, "average")
        self.Mixed_7c = _third(self.Mixed_7b.after, "most")
        self.fc = nn.Linear(FEATURES, CLASSES, device="meta")  # no feature depends on it

    def forward(self, images: Tensor) -> Tensor:
        """Features, shape = (n, 2048), of 8-bit pictures, shape = (n, 3, H, W).

        They are scaled to 299 × 299 bilinearly, and to [−1, 1], as the published conversion has it.
        """
        x = images.to(torch.float32) / WHITE
        x = functional.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(2 * x - 1)))
        x = functional.max_pool2d(x, 3, stride=2)
        x = functional.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, stride=2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):  # in their order
                x = block(x)
        return x.mean(dim=(2, 3))


def shapes() -> dict[str, torch.Size]:
    """Of every tensor that the network takes, by name."""
    state = Network().state_dict()
    return {name: one.shape for name, one in state.items() if not name.endswith(COUNTERS)}


def filled(tensors: Mapping[str, Tensor], device: torch.device) -> Network:
    """The network, with checked weights: in evaluation mode, without gradients."""
    network = Network()
    placed = {name: tensor.to(device=device, copy=True) for name, tensor in tensors.items()}
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            zero = torch.zeros((), device=device, dtype=torch.int64)
            placed[f"{name}{COUNTERS}"] = zero
    network.load_state_dict(placed, assign=True)
    return network.requires_grad_(False).eval()
