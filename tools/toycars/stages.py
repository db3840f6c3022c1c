"""The fit from its first step to the asset, or the last of its stages alone."""

from __future__ import annotations

from pathlib import Path

import torch

from graf_cli.families.graf.scene import as_network
from graf_cli.model.generator import load_checkpoint
from tools.toycars.asset import write_asset
from tools.toycars.fit import Fit, FitPlan, run
from tools.toycars.refine import Refinement, RefinePlan
from tools.toycars.settle import settle
from tools.toycars.sweep import Sweep, SweepPlan

FIRST_STAGE, SECOND_STAGE, THIRD_STAGE = "fit.pt", "refine.pt", "sweep.pt"


def run_fit(
    plan: FitPlan,
    refine: RefinePlan,
    sweep: SweepPlan,
    *,
    out: Path,
    work: Path,
    device: torch.device,
    save_every: int = 250,
    asset_every: int = 0,
) -> None:
    """Fit from where the last run stopped to the end of all stages, and write the asset.

    Parameters
    ----------
    plan, refine, sweep
        What to fit: first on points, then through the renderer, then in empty space.
    out
        The asset, a safetensors file.
    work
        Directory of the checkpoints, from which an interrupted fit resumes.
    device
        Where to compute.
    save_every
        Steps between checkpoints.
    asset_every
        Steps between provisional assets at ``out``; 0 for none before the last.
    """
    first = Fit(plan, device)
    run(first, work / FIRST_STAGE, out=out, save_every=save_every, asset_every=asset_every)
    second = Refinement(first, refine)
    run(second, work / SECOND_STAGE, out=out, save_every=save_every, asset_every=asset_every)
    run_sweep(second, sweep, out=out, work=work, save_every=save_every, asset_every=asset_every)


def run_sweep(
    before: Fit,
    plan: SweepPlan,
    *,
    out: Path,
    work: Path,
    save_every: int = 250,
    asset_every: int = 0,
) -> None:
    """Take the third stage from where the last run stopped to its end, and write the asset.

    Parameters
    ----------
    before
        The second stage, done, or what `fit_from_asset` makes of an earlier asset.
    plan
        What to do.
    out, work, save_every, asset_every
        As for `run_fit`.
    """
    third = Sweep(before, plan)
    run(third, work / THIRD_STAGE, out=out, save_every=save_every, asset_every=asset_every)
    settle(third.averaged)
    write_asset(out, third.averaged)


def fit_from_asset(path: Path, plan: FitPlan, device: torch.device) -> Fit:
    """A fit whose averaged weights are an asset's, as far as half precision tells."""
    fit = Fit(plan, device)
    fit.averaged.load_state_dict(
        as_network(load_checkpoint(path, None, device).network).coarse.state_dict()
    )
    return fit
