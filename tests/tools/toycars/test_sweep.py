"""A short run of the fit's third stage."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from tools.toycars.asset import write_asset
from tools.toycars.family import cars
from tools.toycars.fit import Fit, FitPlan
from tools.toycars.refine import RefinePlan
from tools.toycars.sampling import CLEARANCE, REACH, BatchSize, Space, draw_space
from tools.toycars.settle import settle
from tools.toycars.stages import THIRD_STAGE, fit_from_asset, run_sweep
from tools.toycars.sweep import Sweep, SweepPlan, densest, density_at

CPU = torch.device("cpu")
POINTS = BatchSize(codes=3, near=24, coloured=16, volume=8, candidates=60, code_size=16)
PLAN = FitPlan(
    batch=POINTS,
    network=NetworkSpec(width=32),
    latent=LatentSpec(dim=32, dim_appearance=16),
)
SWEEP = SweepPlan(
    ordinary=RefinePlan(
        steps=40, rate=5e-3, seed=9, rays=6, batch=replace(POINTS, own_appearance=True)
    ),
    codes=4,
    ball=96,
    view=32,
    kept=4,
    again=4,
    memory=6,
)


def beginning(bias: float = 4.0) -> Fit:
    """A fit that sees something everywhere."""
    fit = Fit(PLAN, CPU)
    with torch.no_grad():
        fit.averaged.alpha_linear.bias.fill_(bias)
    return fit


def unseen() -> Space:
    return draw_space(8, 192, 64, POINTS.code_size, 1, device=CPU)


def same(ours: Sweep, theirs: Sweep) -> bool:
    pairs = zip(ours.averaged.parameters(), theirs.averaged.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def swept(plan: SweepPlan, steps: int) -> Sweep:
    sweep = Sweep(beginning(), plan)
    for _ in range(steps):
        sweep.advance()
    return sweep


def test_what_stands_in_empty_space_is_swept_away() -> None:
    quick = replace(SWEEP, ordinary=replace(SWEEP.ordinary, rate=1.5e-2))
    without = densest(swept(replace(quick, weight=0.0), 14).network, unseen(), 4).worst
    after = densest(swept(replace(quick, weight=20.0), 14).network, unseen(), 4).worst
    assert after.max() < 0 < without.min()


def test_one_seed_gives_one_result_and_another_another() -> None:
    other = replace(SWEEP, ordinary=replace(SWEEP.ordinary, seed=10))
    assert same(swept(SWEEP, 3), swept(SWEEP, 3))
    assert not same(swept(SWEEP, 3), swept(other, 3))


def test_an_interrupted_sweep_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    swept(SWEEP, 3).save(tmp_path / THIRD_STAGE)
    resumed = Sweep(beginning(), SWEEP)
    resumed.load(tmp_path / THIRD_STAGE)
    for _ in range(2):
        resumed.advance()
    assert same(resumed, swept(SWEEP, 5))


def test_a_sweep_of_other_weights_does_not_resume(tmp_path: Path) -> None:
    Sweep(beginning(), SWEEP).save(tmp_path / THIRD_STAGE)
    with pytest.raises(SystemExit, match="another plan"):
        Sweep(beginning(bias=5.0), SWEEP).load(tmp_path / THIRD_STAGE)


def test_a_sweep_may_begin_with_an_asset(tmp_path: Path) -> None:
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    settled = beginning()
    settle(settled.averaged)
    write_asset(old, settled.averaged)
    fit = fit_from_asset(old, PLAN, CPU)
    run_sweep(
        fit, replace(SWEEP, ordinary=replace(SWEEP.ordinary, steps=0)), out=new, work=tmp_path
    )
    for kept, was in zip(
        fit_from_asset(new, PLAN, CPU).averaged.parameters(),
        fit_from_asset(old, PLAN, CPU).averaged.parameters(),
        strict=True,
    ):
        assert torch.allclose(kept, was, atol=1e-3)


def test_the_worst_of_all_shapes_seen_are_remembered() -> None:
    sweep = swept(SWEEP, 4)
    assert sweep.memory.points.shape == (6, 4, 3)
    assert sweep.memory.worst.tolist() == sorted(sweep.memory.worst.tolist(), reverse=True)


def test_the_densest_of_the_empty_points_are_found() -> None:
    network, space = beginning().averaged, unseen()
    found = densest(network, space, 4)
    distance = cars(found.shape, found.shape).distance(found.points)
    assert (distance >= CLEARANCE - 1e-5).all()
    everywhere = density_at(network, space.shape, space.points)
    empty = everywhere.masked_fill(space.distance < CLEARANCE, -torch.inf)
    assert torch.allclose(found.worst, empty.amax(1), atol=0.1)


def test_space_reaches_into_the_corners_of_pictures_and_no_further() -> None:
    space = draw_space(4, 4000, 4000, POINTS.code_size, 1, device=CPU)
    far = space.points.norm(dim=-1)
    assert far.max() <= REACH + 1e-4
    assert far[:, :4000].max() > 0.99 * REACH
    assert (far[:, :4000] < REACH / 2).float().mean() == pytest.approx(1 / 8, abs=0.02)
