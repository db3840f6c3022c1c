"""Make, measure and look at the toy cars."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from tools.toycars.evaluate import FIRST_SEED, evaluate
from tools.toycars.fit import FitPlan
from tools.toycars.invert import as_markdown, read_json, rows, write_json
from tools.toycars.normals import measure_normals
from tools.toycars.refine import RefinePlan
from tools.toycars.sheets import KINDS, draw_sheet
from tools.toycars.stages import fit_from_asset, run_fit, run_sweep
from tools.toycars.sweep import ORDINARY, SweepPlan

ASSET = Path("graf_cli/assets/toy-cars.safetensors")
WORK = Path(".toycars")


def main(arguments: list[str]) -> None:
    """Run one command."""
    options = _parser().parse_args(arguments)
    options.run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.toycars", description=__doc__)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    commands = parser.add_subparsers(required=True)
    fit = commands.add_parser("fit", help="fit the released network to the family; resumes")
    fit.add_argument("--out", type=Path, default=ASSET, help="asset to write")
    fit.add_argument("--work", type=Path, default=WORK, help="directory of the checkpoint")
    fit.add_argument("--steps", type=int, default=FitPlan.steps, help="steps on points")
    fit.add_argument("--refine-steps", type=int, default=RefinePlan.steps, help="steps on rays")
    fit.add_argument("--sweep-steps", type=int, default=ORDINARY.steps, help="steps on empty space")
    fit.add_argument("--asset-every", type=int, default=0, help="steps between provisional assets")
    fit.set_defaults(run=_fit)
    sweep = commands.add_parser("sweep", help="the fit's third stage alone, from an asset; resumes")
    sweep.add_argument("--asset", type=Path, default=ASSET, help="asset to start from")
    sweep.add_argument("--out", type=Path, required=True, help="asset to write")
    sweep.add_argument("--work", type=Path, default=WORK, help="directory of the checkpoint")
    sweep.add_argument("--steps", type=int, default=ORDINARY.steps)
    sweep.set_defaults(run=_sweep)
    measure = commands.add_parser("evaluate", help="hold an asset against the procedural truth")
    measure.add_argument("--asset", type=Path, default=ASSET)
    measure.add_argument("--count", type=int, default=64, help="unseen cars")
    measure.add_argument("--size", type=int, default=128, help="pixels a side")
    measure.add_argument("--fast", action="store_true", help="draw by the faster path")
    measure.add_argument("--json", type=Path, help="write every case here too")
    measure.set_defaults(run=_evaluate)
    normals = commands.add_parser("normals", help="hold normals against the procedural truth")
    normals.add_argument("--asset", type=Path, default=ASSET)
    normals.add_argument("--count", type=int, default=8, help="unseen cars")
    normals.add_argument("--size", type=int, default=64, help="pixels a side")
    normals.set_defaults(run=_normals)
    found = commands.add_parser("invert", help="find unseen cars again from photographs of them")
    found.add_argument("--asset", type=Path, default=ASSET)
    found.add_argument("--cars", type=int, nargs="+", help="which of them, from 0 on")
    found.add_argument("--count", type=int, default=16, help="the first so many")
    found.add_argument("--size", type=int, default=128, help="pixels a side")
    found.add_argument("--given", action="store_true", help="tell the cameras")
    found.add_argument("--seconds", type=float, help="budget of each car")
    found.add_argument("--json", type=Path, help="write every row here too; those there are kept")
    found.set_defaults(run=_invert)
    sheet = commands.add_parser("sheet", help="draw a contact sheet")
    sheet.add_argument("kind", choices=KINDS)
    sheet.add_argument("--asset", type=Path, default=ASSET)
    sheet.add_argument("--out", type=Path, required=True)
    sheet.add_argument("--size", type=int, default=128, help="pixels a side of one cell")
    sheet.add_argument(
        "--seeds", type=int, nargs="+", default=list(range(FIRST_SEED, FIRST_SEED + 8))
    )
    sheet.set_defaults(run=_sheet)
    return parser


def _fit(options: argparse.Namespace) -> None:
    run_fit(
        FitPlan(steps=options.steps),
        RefinePlan(steps=options.refine_steps),
        SweepPlan(ordinary=replace(ORDINARY, steps=options.sweep_steps)),
        out=options.out,
        work=options.work,
        device=options.device,
        asset_every=options.asset_every,
    )


def _sweep(options: argparse.Namespace) -> None:
    run_sweep(
        fit_from_asset(options.asset, FitPlan(), options.device),
        SweepPlan(ordinary=replace(ORDINARY, steps=options.steps)),
        out=options.out,
        work=options.work,
    )


def _evaluate(options: argparse.Namespace) -> None:
    found = evaluate(
        options.asset,
        count=options.count,
        size=options.size,
        device=options.device,
        exact=not options.fast,
    )
    print(found.as_markdown())
    if options.json:
        options.json.write_text(json.dumps(found.as_json(), indent=1) + "\n", encoding="utf-8")


def _normals(options: argparse.Namespace) -> None:
    print(
        measure_normals(
            options.asset, count=options.count, size=options.size, device=options.device
        )
    )


def _invert(options: argparse.Namespace) -> None:
    what = {"given": options.given, "size": options.size, "seconds": options.seconds}
    kept = read_json(options.json, **what) if options.json else []
    asked = options.cars or range(options.count)
    there = {row.car - FIRST_SEED for row in kept}
    found = [*kept]
    for row in rows(
        options.asset,
        [number for number in asked if number not in there],
        size=options.size,
        given=options.given,
        seconds=options.seconds,
        device=options.device,
    ):
        print(row, file=sys.stderr, flush=True)
        found = sorted([*found, row], key=lambda one: one.car)
        if options.json:
            write_json(options.json, found, **what)
    print(as_markdown([row for row in found if row.car - FIRST_SEED in asked]))


def _sheet(options: argparse.Namespace) -> None:
    draw_sheet(
        options.asset,
        options.kind,
        out=options.out,
        size=options.size,
        seeds=options.seeds,
        device=options.device,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
