"""A short run of the fit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from graf_cli.model.checkpoint import open_checkpoint
from tools.toycars.fit import Fit, FitPlan, one_cycle
from tools.toycars.refine import Refinement, RefinePlan
from tools.toycars.sampling import BatchSize
from tools.toycars.stages import FIRST_STAGE, SECOND_STAGE, run_fit
from tools.toycars.sweep import SweepPlan

CPU = torch.device("cpu")
POINTS = BatchSize(codes=3, near=24, coloured=16, volume=8, candidates=60, code_size=16)
REFINE = RefinePlan(steps=3, rays=6, batch=replace(POINTS, own_appearance=True))
SWEEP = SweepPlan(ordinary=REFINE, codes=2, ball=20, view=10, kept=2, again=2, memory=4)
SMALL = FitPlan(
    steps=4,
    batch=POINTS,
    network=NetworkSpec(width=16),
    latent=LatentSpec(dim=32, dim_appearance=16),
)


def test_an_interrupted_fit_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole.safetensors", tmp_path / "halves.safetensors"
    run_fit(SMALL, REFINE, SWEEP, out=whole, work=tmp_path / "whole", device=CPU)
    first = Fit(SMALL, CPU)
    first.advance()
    first.advance()
    first.save(tmp_path / "halves" / FIRST_STAGE)
    run_fit(SMALL, REFINE, SWEEP, out=halves, work=tmp_path / "halves", device=CPU)
    assert whole.read_bytes() == halves.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "halves.safetensors",
        "whole.safetensors",
    ]


def test_the_asset_says_what_it_is_and_is_half_precision(tmp_path: Path) -> None:
    out = tmp_path / "cars.safetensors"
    run_fit(SMALL, REFINE, SWEEP, out=out, work=tmp_path / "work", device=CPU, asset_every=2)
    spec, networks = open_checkpoint(out)
    assert spec.background == "white"
    assert "not the paper's weights" in spec.about.note
    for tensor in networks["generator"].values():
        assert torch.equal(tensor, tensor.half().float())


def test_an_interrupted_second_stage_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    first = Fit(SMALL, CPU)
    whole, half = Refinement(first, REFINE), Refinement(first, REFINE)
    for _ in range(3):
        whole.advance()
    half.advance()
    half.save(tmp_path / SECOND_STAGE)
    resumed = Refinement(first, REFINE)
    resumed.load(tmp_path / SECOND_STAGE)
    resumed.advance()
    resumed.advance()
    for ours, theirs in zip(
        resumed.averaged.parameters(), whole.averaged.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_another_plan_does_not_resume(tmp_path: Path) -> None:
    Fit(SMALL, CPU).save(tmp_path / FIRST_STAGE)
    with pytest.raises(SystemExit, match="another plan"):
        Fit(replace(SMALL, seed=8), CPU).load(tmp_path / FIRST_STAGE)


def test_the_loss_falls() -> None:
    fit = Fit(replace(SMALL, steps=60, rate=5e-3, network=NetworkSpec(depth=2, width=32)), CPU)
    losses = [fit.advance() for _ in range(60)]
    assert sum(x.density for x in losses[-10:]) < 0.95 * sum(x.density for x in losses[:10])


def test_the_rate_rises_and_falls_back_to_nothing() -> None:
    rates = [one_cycle(step, 1000, 8e-4, 0.06) for step in range(1000)]
    top = rates.index(max(rates))
    assert abs(top - 60) <= 1
    assert rates[0] < 1e-6
    assert rates[-1] < 1e-8
    assert rates[top:] == sorted(rates[top:], reverse=True)
