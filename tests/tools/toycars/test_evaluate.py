"""The evaluation, on a model that was never fitted."""

import json
from pathlib import Path

import pytest
import torch

from graf_cli.families.graf.scene import as_network
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from graf_cli.model.generator import load_checkpoint
from tools.toycars.__main__ import main
from tools.toycars.asset import write_asset
from tools.toycars.evaluate import (
    SPACE_POINTS,
    Case,
    Emptiness,
    Evaluation,
    empty_space,
    evaluate,
)
from tools.toycars.fit import FitPlan, new_field
from tools.toycars.truth import V_RANGE
from tools.toycars.views import View, random_views

CPU = torch.device("cpu")


def unfitted(tmp_path: Path) -> Path:
    plan = FitPlan(network=NetworkSpec(width=16, samples=8), latent=LatentSpec())
    write_asset(tmp_path / "cars.safetensors", new_field(plan, CPU))
    return tmp_path / "cars.safetensors"


def test_an_unfitted_model_is_measured(tmp_path: Path) -> None:
    found = evaluate(unfitted(tmp_path), count=2, size=12, device=CPU)
    assert len(found.cases) == 2
    assert found.appearances_equal
    assert set(found.summary()) >= {"iou_mean", "iou_worst", "psnr_mean", "clear_share"}
    assert json.loads(json.dumps(found.as_json()))["sha256"] == found.sha256


def test_the_faster_path_measures_the_same(tmp_path: Path) -> None:
    asset = unfitted(tmp_path)
    plain, fast = (
        evaluate(asset, count=1, size=12, device=CPU, exact=exact) for exact in (True, False)
    )
    assert fast.summary() == pytest.approx(plain.summary(), abs=1e-2)


def test_the_summary_is_over_all_rays_and_the_worst_car() -> None:
    view = View(0.1, 0.2)
    cases = (Case(1, view, 1.0, 30.0, 90, 100), Case(2, view, 0.9, 20.0, 300, 300))
    found = Evaluation(
        sha256="0" * 64,
        size=8,
        cases=cases,
        appearances_equal=True,
        factors={"style": 0.5},
        sampled=Emptiness(900, 1) + Emptiness(800, 2),
        reachable=Emptiness(1_000_000, 0),
    )
    summary = found.summary()
    assert summary["iou_mean"] == 0.95
    assert summary["iou_worst"] == 0.9
    assert summary["psnr_mean"] == 25
    assert summary["clear_share"] == 390 / 400
    assert "| style | 50 % |" in found.as_markdown()
    assert "3 of 1,700 |" in found.as_markdown()
    assert "0 of 1,000,000 |" in found.as_markdown()


def test_a_field_that_is_solid_everywhere_is_found_solid_where_nothing_is(tmp_path: Path) -> None:
    generator = load_checkpoint(unfitted(tmp_path), None, CPU)
    bias = as_network(generator.network).coarse.alpha_linear.bias
    for value, share in ((1e4, 1), (-1e4, 0)):
        bias.fill_(value)
        for found in empty_space(generator, 1):
            assert found.points > SPACE_POINTS / 2
            assert found.specks == share * found.points


def test_views_are_the_released_cameras() -> None:
    views = random_views(200, 0)
    assert views == random_views(200, 0)
    assert all(0 <= view.u <= 1 and V_RANGE[0] <= view.v <= V_RANGE[1] for view in views)


def test_every_sheet_is_drawn(tmp_path: Path) -> None:
    asset = unfitted(tmp_path)
    for kind in ("cases", "grid", "interpolations"):
        out = tmp_path / f"{kind}.png"
        options = ["--asset", str(asset), "--out", str(out), "--size", "6"]
        main(["sheet", kind, *options, "--seeds", "1000", "1001"])
        assert out.stat().st_size > 0
