"""How far a picture is from a photograph, coarse to fine.

The mean square difference of colours alone has a narrow basin: two outlines that are a pixel apart
pull at nothing. So it is summed over a pyramid, each level half the size of the one before, and on
each level the differences between neighbouring pixels are compared as well, which say where edges
are whatever the colours beside them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.inversion.photograph import Photograph
from graf_cli.scene.volume import Scene

LEVELS = 3  # of the pyramid: from half, two thirds of the error of a shift by a pixel remain
SMALLEST = 8  # pixels along the shorter side of a level, below which nothing has a place
EDGES = 0.5  # weight of differences between neighbours against that of colours
COVER = 0.5  # weight of opacity against a mask, of the same size as one channel and a half


@dataclass(frozen=True, eq=False)
class Target:
    """A photograph as pictures of one size are held against it.

    Attributes
    ----------
    rgb : Tensor, shape = (h, w, 3)
        On the model's background where there is a mask.
    mask : Tensor, shape = (h, w), or None
        Opacity that is wanted.
    weight : Tensor, shape = (h, w), or None
        Which pixels count, for models that paint a background of their own; None is all.
    """

    rgb: Tensor
    mask: Tensor | None
    weight: Tensor | None = None


def target_of(
    photograph: Photograph,
    size: tuple[int, int],
    background: tuple[float, float, float],
    device: torch.device,
    *,
    painted: bool,
) -> Target:
    """A photograph at a size; where the background is the model's own, it is not compared."""
    small = photograph.resized(*size)
    rgb, mask = small.rgb.to(device=device), small.mask
    if mask is None:
        return Target(rgb, None)
    mask = mask.to(device=device)
    if painted:
        return Target(rgb, None, mask)
    behind = torch.tensor(background, device="cpu", dtype=torch.float32).to(device=device)
    return Target(rgb * mask[..., None] + (1 - mask[..., None]) * behind, mask)


def paints_background(scene: Scene) -> bool:
    """Whether a picture has no place for a colour behind it."""
    return scene.finish is not None or scene.quadrature.last_back


def difference(rgb: Tensor, opacity: Tensor, target: Target) -> Tensor:
    """The sum over the pyramid, a scalar.

    Parameters
    ----------
    rgb : Tensor, shape = (h, w, 3)
    opacity : Tensor, shape = (h, w)
    target : Target
        Of the same size.
    """
    apart = (rgb - target.rgb).permute(2, 0, 1)
    if target.weight is not None:
        apart = apart * target.weight
    planes = apart
    if target.mask is not None:
        cover = (opacity - target.mask)[None] * math.sqrt(COVER * 3)
        planes = torch.cat((apart, cover))
    total, levels = apart.new_zeros(()), 0
    for _ in range(LEVELS):
        total = total + _level(planes)
        levels += 1
        if min(planes.shape[1:]) < 2 * SMALLEST:
            break
        planes = functional.avg_pool2d(planes[None], 2)[0]
    return total / levels


def _level(planes: Tensor) -> Tensor:
    """Mean squares of differences of colours and of edges; the operator is linear in them."""
    across, down = planes[:, :, 1:] - planes[:, :, :-1], planes[:, 1:] - planes[:, :-1]
    edges = (across.square().mean() + down.square().mean()) / 2
    return planes.square().mean() + EDGES * edges


def psnr(rgb: Tensor, target: Target) -> float:
    """Peak signal-to-noise ratio of a picture, both of shape (h, w, 3) in [0, 1], in dB."""
    error = (rgb - target.rgb).square()
    if target.weight is not None:
        share = float(target.weight.mean())
        error = error * target.weight[..., None] / max(share, 1e-6)
    mean = float(error.mean())
    return -10 * math.log10(mean) if mean > 0 else math.inf


def repainted(rgb: Tensor, opacity: Tensor, target: Target, ridge: float) -> Tensor:
    """Mean square difference that is left when colours may be changed as a whole.

    A start has the right shape and pose long before it has the right paint. The colours c and the
    opacity a of a picture on black become the photograph's by the best affine map, ``c + c A + a
    b``, found by least squares with a `ridge` towards none; what is left is geometry's.

    Parameters
    ----------
    rgb : Tensor, shape = (h, w, 3)
        On black, multiplied by opacity.
    opacity : Tensor, shape = (h, w)
    target : Target
        On the model's background, which `rgb` is compared on as well: see `search`.
    ridge : float
        Per pixel.

    Returns
    -------
    Tensor, scalar
    """
    x = torch.cat((rgb, opacity[..., None]), dim=-1).flatten(0, 1)
    y = (target.rgb - rgb).flatten(0, 1)
    if target.weight is not None:
        some = target.weight.flatten()[:, None]
        x, y = x * some, y * some
    gram = x.T @ x
    eye = torch.eye(4, device=x.device, dtype=x.dtype) * (ridge * len(x))
    b = torch.linalg.solve(gram + eye, x.T @ y)
    left: Tensor = (y - x @ b).square().mean() + ridge * b.square().sum()
    if target.mask is not None:
        left = left + COVER * (opacity - target.mask).square().mean()
    return left
