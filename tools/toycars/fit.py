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

from graf_cli.model.field import RadianceField
from graf_cli.model.spec import LatentSpec, NetworkSpec
from tools.toycars.asset import write_asset
from tools.toycars.sampling import Batch, BatchSize, draw_batch

CHECKPOINT = "fit.pt"


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
    """What one step measured."""

    density: float
    colour: float


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

    def advance(self) -> Losses:
        """Take one step; what it draws depends on the seed and the step's number alone."""
        batch = draw_batch(
            self.plan.batch,
            self.plan.seed * 1_000_003 + self.step,
            device=self.device,
            dtype=torch.float32,
        )
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.plan, self.step)
        density, colour = self._losses(batch)
        self.optimiser.zero_grad()
        (density + self.plan.colour_weight * colour).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.step += 1
        self._average()
        return Losses(float(density.detach()), float(colour.detach()))

    def save(self, path: Path) -> None:
        """Write all that `load` needs, in one move."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        torch.save(
            {
                "plan": _plan_data(self.plan),
                "step": self.step,
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            },
            unfinished,
        )
        unfinished.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a saved fit.

        Raises
        ------
        SystemExit
            When the file belongs to another plan.
        """
        saved: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        if saved["plan"] != _plan_data(self.plan):
            raise SystemExit(f"{path} belongs to a fit with another plan; remove it or move it.")
        self.step = saved["step"]
        self.network.load_state_dict(saved["network"])
        self.averaged.load_state_dict(saved["averaged"])
        self.optimiser.load_state_dict(saved["optimiser"])

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            density, colour = self.network(
                batch.points,
                batch.directions,
                batch.shape[:, None],
                batch.appearance[:, None],
            )
        tenths = (density.float() - batch.density) / 10
        error = colour[:, : batch.colour.shape[1]].float().sigmoid() - batch.colour
        per_point = _smooth_l1(error, 0.05).mean(-1)
        return _smooth_l1(tenths, 1.0).mean(), (per_point * batch.seen).sum() / batch.seen.sum()

    def _average(self) -> None:
        # A short memory at first, so that early weights do not linger.
        decay = min(self.plan.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.averaged.parameters()), list(self.network.parameters()), 1 - decay
            )


def learning_rate(plan: FitPlan, step: int) -> float:
    """One cycle: up to ``plan.rate``, then down to nothing, along cosines."""
    position = (step + 0.5) / plan.steps
    if position < plan.warm_up:
        return plan.rate * 0.5 * (1 - math.cos(math.pi * position / plan.warm_up))
    return (
        plan.rate * 0.5 * (1 + math.cos(math.pi * (position - plan.warm_up) / (1 - plan.warm_up)))
    )


def run_fit(
    plan: FitPlan,
    *,
    out: Path,
    work: Path,
    device: torch.device,
    save_every: int = 250,
    asset_every: int = 0,
) -> None:
    """Fit from where the last run stopped to the end, and write the asset.

    Parameters
    ----------
    plan
        What to fit.
    out
        The asset, a safetensors file.
    work
        Directory of the checkpoint, from which an interrupted fit resumes.
    device
        Where to compute.
    save_every
        Steps between checkpoints.
    asset_every
        Steps between provisional assets at ``out``; 0 for none before the last.
    """
    fit = Fit(plan, device)
    checkpoint = work / CHECKPOINT
    if checkpoint.exists():
        fit.load(checkpoint)
    with tqdm(total=plan.steps, initial=fit.step, unit="step", disable=None) as bar:
        while fit.step < plan.steps:
            losses = fit.advance()
            bar.set_postfix(density=f"{losses.density:.4f}", colour=f"{losses.colour:.4f}")
            bar.update()
            if fit.step % save_every == 0 or fit.step == plan.steps:
                fit.save(checkpoint)
                _report(fit, losses)
            if asset_every and fit.step % asset_every == 0:
                write_asset(out, fit.averaged)
    write_asset(out, fit.averaged)


def _smooth_l1(error: Tensor, knee: float) -> Tensor:
    size = error.abs()
    return torch.where(size < knee, 0.5 * size * size / knee, size - 0.5 * knee)


def new_field(plan: FitPlan, device: torch.device) -> RadianceField:
    """Make the network of a plan, with float32 weights that mean nothing yet."""
    return RadianceField(plan.network, plan.latent, device=device, dtype=torch.float32)


def _plan_data(plan: FitPlan) -> dict[str, Any]:
    return asdict(plan) | {"network": repr(plan.network), "latent": repr(plan.latent)}


def _report(fit: Fit, losses: Losses) -> None:
    if not sys.stderr.isatty():
        text = f"step {fit.step}/{fit.plan.steps}"
        print(f"{text} density {losses.density:.4f} colour {losses.colour:.4f}", file=sys.stderr)
