"""Numbers that compare a picture with the truth."""

from __future__ import annotations

import math

import torch
from torch import Tensor

OPAQUE = 0.5
CLEAR = 0.01
MARGIN = 2
"""Pixels around the truth in which a ray may still collect something."""


def silhouette_iou(opacity: Tensor, mask: Tensor) -> float:
    """Intersection over union of ``opacity > 0.5`` and a boolean mask, both (H, W)."""
    drawn = opacity > OPAQUE
    union = int((drawn | mask).sum())
    return int((drawn & mask).sum()) / union if union else 1.0


def psnr(image: Tensor, reference: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of two pictures in [0, 1] of one shape."""
    error = float((image - reference).square().mean())
    return -10 * math.log10(error) if error else math.inf


def grown(mask: Tensor, pixels: int) -> Tensor:
    """A boolean mask (H, W) and all that lies within so many pixels of it."""
    across = torch.arange(-pixels, pixels + 1, device=mask.device, dtype=torch.float32)
    disc = (across[:, None] ** 2 + across**2 <= pixels**2).to(torch.float32)
    touched = torch.nn.functional.conv2d(
        mask.to(torch.float32)[None, None], disc[None, None], padding=pixels
    )
    return touched[0, 0] > 0.5


def clear_rays(opacity: Tensor, mask: Tensor) -> tuple[int, int]:
    """Rays missing the truth by more than `MARGIN` pixels: those that are clear, and all."""
    outside = ~grown(mask, MARGIN)
    return int((outside & (opacity < CLEAR)).sum()), int(outside.sum())
