"""The fit's second stage: rays through the renderer's own samples, and the pixels they should give.

Points alone leave three faults. A ray collects its colour from two or three samples under the
surface, not from one. Density grows from nothing at the surface, so that a ray which grazes it
stays half clear until it is about `BatchSize.shift` deep, and outlines come out too thin. And 48
appearances a step are few to learn colours from: here every ray and every coloured point has an
appearance of its own, which is cheap, since an appearance code enters the last layers only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from tools.toycars.fit import (
    SEED_STRIDE,
    Fit,
    Losses,
    one_cycle,
    point_losses,
    smooth_l1,
)
from tools.toycars.forward import forward
from tools.toycars.sampling import BatchSize, RayBatch, draw_batch, draw_rays


@dataclass(frozen=True)
class RefinePlan:
    """Everything that decides what the second stage makes of the first stage's weights."""

    steps: int = 3_500
    rate: float = 4e-4
    """Highest learning rate."""
    warm_up: float = 0.05
    """Fraction of the steps in which the rate rises."""
    seed: int = 8
    rays: int = 80
    """Per code."""
    window: int = 8
    """Samples taken along a ray around the surface; the others see nothing or are not seen."""
    pixel_weight: float = 4.0
    """Weight of a pixel's colour against the points' density."""
    opacity_weight: float = 1.0
    colour_weight: float = 1.0
    """Weight of the points' colour."""
    batch: BatchSize = field(
        default_factory=lambda: BatchSize(
            codes=24,
            near=128,
            coloured=96,
            volume=128,
            candidates=360,
            shift=0.016,
            own_appearance=True,
        )
    )


class Refinement(Fit):
    """The second stage under way."""

    def __init__(self, first: Fit, plan: RefinePlan) -> None:
        super().__init__(first.plan, first.device)
        self.refine = plan
        self.network.load_state_dict(first.averaged.state_dict())
        self.averaged.load_state_dict(first.averaged.state_dict())

    @property
    def steps(self) -> int:
        """Steps until it is done."""
        return self.refine.steps

    def rate(self) -> float:
        """Learning rate of the next step."""
        plan = self.refine
        return one_cycle(self.step, plan.steps, plan.rate, plan.warm_up)

    def losses(self) -> Losses:
        """Loss of the next step: of points as before, and of pixels."""
        plan = self.refine
        seed = plan.seed * SEED_STRIDE + self.step
        batch = draw_batch(plan.batch, seed, device=self.device, dtype=torch.float32)
        points = point_losses(self.network, batch, plan.colour_weight)
        rays = draw_rays(
            plan.batch, plan.rays, plan.window, seed, device=self.device, dtype=torch.float32
        )
        colour, opacity = self._pixels(rays)
        pixel_loss = smooth_l1(colour - rays.colour, 0.1).mean()
        opacity_loss = smooth_l1(opacity - rays.hit, 0.1).mean()
        total = points.total + plan.pixel_weight * pixel_loss + plan.opacity_weight * opacity_loss
        return Losses(total, points.density, pixel_loss)

    def plan_data(self) -> dict[str, Any]:
        """Plain data that tells one plan from another."""
        return super().plan_data() | {"refine": asdict(self.refine)}

    def _pixels(self, rays: RayBatch) -> tuple[Tensor, Tensor]:
        """Colour on white (B, R, 3) and opacity (B, R) of rays, by equation 6 of GRAF."""
        codes, count, window, _ = rays.points.shape
        directions = rays.directions[:, :, None].expand_as(rays.points)
        appearance = rays.appearance[:, :, None].expand(-1, -1, window, -1)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            density, colour = forward(
                self.network,
                rays.points.flatten(1, 2),
                directions.flatten(1, 2),
                rays.shape,
                appearance.flatten(1, 2),
            )
        density = density.float().reshape(codes, count, window)
        clear = torch.exp(-density.relu() * rays.interval[..., None])
        before = torch.cat((torch.ones_like(clear[..., :1]), clear[..., :-1]), dim=-1)
        weight = (1 - clear) * before.cumprod(dim=-1)
        opacity = weight.sum(-1)
        seen = colour.float().sigmoid().reshape(codes, count, window, 3)
        return (weight[..., None] * seen).sum(-2) + (1 - opacity)[..., None], opacity
