"""Fit the released network to the family, by regression on points."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from tools.toycars.asset import write_asset
from tools.toycars.forward import forward
from tools.toycars.sampling import Batch, BatchSize, draw_batch

SEED_STRIDE = 1_000_003
"""Keeps the draws of two fits with neighbouring seeds apart."""


@dataclass(frozen=True)
class FitPlan:
    """Everything that decides which weights come out."""

    steps: int = 12_000
    rate: float = 8e-4
    """Highest learning rate."""
    warm_up: float = 0.06
    """Fraction of the steps in which the rate rises."""
    colour_weight: float = 2.0
    """Weight of the colour's loss against the density's."""
    average: float = 0.999
    """Decay of the weights' running average."""
    seed: int = 7
    batch: BatchSize = field(default_factory=BatchSize)
    network: NetworkSpec = field(default_factory=NetworkSpec)
    latent: LatentSpec = field(default_factory=LatentSpec)


@dataclass(frozen=True)
class Losses:
    """What one step measures, scalars."""

    total: Tensor
    """What the optimiser lowers."""
    density: Tensor
    colour: Tensor


class Fit:
    """A fit under way: the network, its running average, the optimiser and the next step."""

    def __init__(self, plan: FitPlan, device: torch.device) -> None:
        self.plan = plan
        self.device = device
        self.step = 0
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(plan.seed)
            self.network = new_field(plan, torch.device("cpu")).to(device)
        self.averaged = new_field(plan, device)
        self.averaged.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=plan.rate)

    @property
    def steps(self) -> int:
        """Steps until it is done."""
        return self.plan.steps

    def rate(self) -> float:
        """Learning rate of the next step."""
        return one_cycle(self.step, self.plan.steps, self.plan.rate, self.plan.warm_up)

    def losses(self) -> Losses:
        """Loss of the next step; what it draws depends on the seed and its number alone."""
        seed = self.plan.seed * SEED_STRIDE + self.step
        batch = draw_batch(self.plan.batch, seed, device=self.device, dtype=torch.float32)
        return point_losses(self.network, batch, self.plan.colour_weight)

    def plan_data(self) -> dict[str, Any]:
        """Plain data that tells one plan from another."""
        plan = self.plan
        return asdict(plan) | {"network": repr(plan.network), "latent": repr(plan.latent)}

    def advance(self) -> Losses:
        """Take one step."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        losses = self.losses()
        self.optimiser.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.step += 1
        self._average()
        return losses

    def save(self, path: Path) -> None:
        """Write all that `load` needs, in one move."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        torch.save(self.state(), unfinished)
        unfinished.replace(path)

    def state(self) -> dict[str, Any]:
        """All that decides the steps to come, as `torch.save` takes it."""
        return {
            "plan": self.plan_data(),
            "step": self.step,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load(self, path: Path) -> None:
        """Go on from a saved fit.

        Raises
        ------
        SystemExit
            When the file belongs to another plan.
        """
        saved: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        if saved["plan"] != self.plan_data():
            raise SystemExit(f"{path} belongs to a fit with another plan; remove it or move it.")
        self.restore(saved)

    def restore(self, saved: dict[str, Any]) -> None:
        """Be as a `state` says."""
        self.step = saved["step"]
        self.network.load_state_dict(saved["network"])
        self.averaged.load_state_dict(saved["averaged"])
        self.optimiser.load_state_dict(saved["optimiser"])

    def _average(self) -> None:
        # A short memory at first, so that early weights do not linger.
        decay = min(self.plan.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.averaged.parameters()), list(self.network.parameters()), 1 - decay
            )


def point_losses(network: RadianceField, batch: Batch, colour_weight: float) -> Losses:
    """Compare a network with a batch's answers: density in tenths, colour after the sigmoid."""
    with torch.autocast(batch.points.device.type, dtype=torch.bfloat16):
        density, colour = forward(
            network, batch.points, batch.directions, batch.shape, batch.appearance
        )
    density_loss = smooth_l1((density.float() - batch.density) / 10, 1.0).mean()
    error = smooth_l1(colour.float().sigmoid() - batch.colour, 0.05).mean(-1)
    colour_loss = (error * batch.seen).sum() / batch.seen.sum()
    total = density_loss + colour_weight * colour_loss
    return Losses(total, density_loss, colour_loss)


def one_cycle(step: int, steps: int, highest: float, warm_up: float) -> float:
    """Learning rate: up to ``highest``, then down to nothing, along cosines.

    Parameters
    ----------
    step, steps
        The step, counted from 0, and how many there are.
    highest
        The highest rate.
    warm_up
        Fraction of the steps in which the rate rises.
    """
    position = (step + 0.5) / steps
    if position < warm_up:
        return highest * 0.5 * (1 - math.cos(math.pi * position / warm_up))
    return highest * 0.5 * (1 + math.cos(math.pi * (position - warm_up) / (1 - warm_up)))


def smooth_l1(error: Tensor, knee: float) -> Tensor:
    """Square of small errors, size of large ones; they meet at ``knee``."""
    size = error.abs()
    return torch.where(size < knee, 0.5 * size * size / knee, size - 0.5 * knee)


def new_field(plan: FitPlan, device: torch.device) -> RadianceField:
    """Make the network of a plan, with float32 weights that mean nothing yet."""
    return RadianceField(plan.network, plan.latent, device=device, dtype=torch.float32)


def run(fit: Fit, checkpoint: Path, *, out: Path, save_every: int, asset_every: int) -> None:
    """Take a fit from where its checkpoint left it to its end.

    Parameters
    ----------
    fit
        A fit that has taken no step yet.
    checkpoint
        Where its state is kept, and looked for.
    out
        Where provisional assets go.
    save_every, asset_every
        Steps between checkpoints and between provisional assets; 0 for no such assets.
    """
    if checkpoint.exists():
        fit.load(checkpoint)
    with tqdm(
        total=fit.steps, initial=fit.step, unit="step", desc=checkpoint.stem, disable=None
    ) as bar:
        while fit.step < fit.steps:
            losses = fit.advance()
            bar.update()
            if fit.step % save_every == 0 or fit.step == fit.steps:
                fit.save(checkpoint)
                bar.set_postfix_str(_told(losses))
                _report(fit, losses)
            if asset_every and fit.step % asset_every == 0:
                write_asset(out, fit.averaged)


def _told(losses: Losses) -> str:
    return f"density {losses.density.item():.4f} colour {losses.colour.item():.4f}"


def _report(fit: Fit, losses: Losses) -> None:
    if not sys.stderr.isatty():
        print(f"step {fit.step}/{fit.steps} {_told(losses)}", file=sys.stderr)
