"""The fit's third stage: empty space is swept clean.

The first two stages ask about a few thousand points a step, few of them far from a car and none
in the corners of a picture. There the network says what it likes, and now and then that is
something: a speck, one point in some ten thousand. A draw as small as theirs meets specks too
seldom to remove them, but looking is cheap, since it takes no gradient. So each step looks at
many points of many shapes and learns from the worst, while the second stage's losses go on and
keep the cars as they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from graf_cli.families.graf.field import RadianceField
from tools.toycars.fit import SEED_STRIDE, Fit, Losses, smooth_l1
from tools.toycars.forward import density_of
from tools.toycars.refine import Refinement, RefinePlan
from tools.toycars.sampling import CLEARANCE, EMPTY, Space, draw_space
from tools.toycars.settle import settle

SPACE_SEED = 1 << 41
"""Keeps the draws of empty space apart from those of points and rays."""


ORDINARY = RefinePlan(steps=1_000, rate=2e-4, seed=9)
"""The second stage's losses, gentler and on other draws."""


@dataclass(frozen=True)
class SweepPlan:
    """Everything that decides what the third stage makes of the second stage's weights."""

    ordinary: RefinePlan = ORDINARY
    """The losses that go on, and the steps and the rate."""
    codes: int = 32
    """Shapes that a step looks at."""
    ball: int = 3_072
    """Points looked at per code, evenly in all that any camera sees."""
    view: int = 1_024
    """Points looked at per code, as pictures take their samples."""
    kept: int = 16
    """The densest of them, which a step learns from."""
    again: int = 32
    """The worst shapes of earlier steps, which it learns from too."""
    memory: int = 512
    """Shapes that are remembered for that."""
    weight: float = 2.0
    """Weight of the density found in empty space against that of the points drawn."""


@dataclass(frozen=True)
class Specks:
    """B shapes with K points each where a network sees more than it should."""

    shape: Tensor
    """(B, S)"""
    points: Tensor
    """World positions, all of them empty, (B, K, 3)."""
    worst: Tensor
    """Highest raw density when they were last looked at, (B,)."""

    def densest(self, count: int) -> Specks:
        """The shapes with the highest densities, in falling order."""
        return self.taken(self.worst.argsort(descending=True, stable=True)[:count])

    def taken(self, rows: Tensor | slice) -> Specks:
        """Some of the shapes."""
        return Specks(self.shape[rows], self.points[rows], self.worst[rows])

    def and_also(self, other: Specks) -> Specks:
        """These and others."""
        return Specks(
            torch.cat((self.shape, other.shape)),
            torch.cat((self.points, other.points)),
            torch.cat((self.worst, other.worst)),
        )


class Sweep(Refinement):
    """The third stage under way."""

    def __init__(self, before: Fit, plan: SweepPlan) -> None:
        super().__init__(before, plan.ordinary)
        self.sweep = plan
        self.started = fingerprint(before.averaged)
        # What is to be settled in the end is kept settled, so that nothing is swept but what stays.
        settle(self.network)
        settle(self.averaged)
        self.memory = self._nothing()

    def advance(self) -> Losses:
        """Take one step."""
        losses = super().advance()
        settle(self.network)
        return losses

    def losses(self) -> Losses:
        """Loss of the next step: the second stage's, and the density found where nothing is."""
        ordinary = super().losses()
        found = self._found().and_also(self.memory.taken(slice(self.sweep.again)))
        density = density_at(self.network, found.shape, found.points)
        self._remember(replace(found, worst=density.detach().amax(1)))
        loss = smooth_l1((density - EMPTY) / 10, 1.0).mean()
        return Losses(ordinary.total + self.sweep.weight * loss, loss, ordinary.colour)

    def plan_data(self) -> dict[str, Any]:
        """Plain data that tells one plan, and what it started from, from another."""
        return super().plan_data() | {"sweep": asdict(self.sweep), "started": self.started}

    def state(self) -> dict[str, Any]:
        """All that decides the steps to come, as `torch.save` takes it."""
        return super().state() | {"memory": vars(self.memory)}

    def restore(self, saved: dict[str, Any]) -> None:
        """Be as a `state` says."""
        super().restore(saved)
        self.memory = Specks(**saved["memory"])

    def _found(self) -> Specks:
        plan = self.sweep
        seed = plan.ordinary.seed * SEED_STRIDE + self.step + SPACE_SEED
        size = self.plan.batch.code_size
        space = draw_space(plan.codes, plan.ball, plan.view, size, seed, device=self.device)
        return densest(self.network, space, plan.kept)

    def _remember(self, seen: Specks) -> None:
        others = self.memory.taken(slice(self.sweep.again, None))
        self.memory = seen.and_also(others).densest(self.sweep.memory)

    def _nothing(self) -> Specks:
        size = self.plan.batch.code_size
        empty = torch.empty(0, device=self.device)
        return Specks(empty.reshape(0, size), empty.reshape(0, self.sweep.kept, 3), empty)


@torch.no_grad()
def densest(network: RadianceField, space: Space, count: int) -> Specks:
    """The points of each code that are empty and where a network sees most, (B, count, 3)."""
    # One code at a time, since what one makes of its points stays in a processor's cache.
    density = torch.cat(
        [
            density_at(network, shape[None], points[None])
            for shape, points in zip(space.shape, space.points, strict=True)
        ]
    )
    density = density.masked_fill(space.distance < CLEARANCE, -torch.inf)
    highest = density.topk(count, dim=1)
    points = space.points.gather(1, highest.indices[..., None].expand(-1, -1, 3))
    return Specks(space.shape, points, highest.values[:, 0])


def density_at(network: RadianceField, shape: Tensor, points: Tensor) -> Tensor:
    """Raw density, (B, P), of codes (B, S) at points (B, P, 3), in a fit's own arithmetic."""
    with torch.autocast(points.device.type, dtype=torch.bfloat16):
        return density_of(network, points, shape).float()


def fingerprint(network: RadianceField) -> str:
    """Tells one network's weights from another's."""
    digest = hashlib.sha256()
    for weight in network.parameters():
        digest.update(weight.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
