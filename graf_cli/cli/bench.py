"""`graf bench`: how fast a model renders here, and how exactly."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from graf_cli.cli.choices import EngineChoice, ModelChoice
from graf_cli.cli.options import (
    common_options,
    engine_options,
    model_options,
)

if TYPE_CHECKING:
    from graf_cli.measure import Measured


@click.command(short_help="How fast a model renders here, and how exactly.")
@model_options
@engine_options
@click.option("--size", type=click.IntRange(1, 4096), help="Pixels along a side.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@common_options
def bench(source: ModelChoice, engine: EngineChoice, size: int | None, as_json: bool) -> None:
    """Time a short turntable by the fast path and by the plain one, and compare their pictures.

    The plain path is timed on one ray in eight. A minute on two cores.

    \b
    graf bench
    graf bench --model cars:128 --precision bfloat16 --json
    """
    from graf_cli.cli.console import print_json
    from graf_cli.measure import measure

    measured = measure(source.load(), engine.options(), size=size)
    if as_json:
        print_json({**asdict(measured), "rays_per_second": measured.rays_per_second})
        return
    for name, value in _lines(measured):
        click.echo(f"{name:<16}{value}")


def _lines(of: Measured) -> list[tuple[str, str]]:
    return [
        ("picture", f"{of.width} × {of.height}, {of.samples} samples a ray"),
        ("device", f"{of.device}, {of.threads} threads, {of.precision}"),
        ("plain path", f"{of.plain:.3f} s a frame"),
        ("fast path", f"{of.warm:.3f} s a frame ({of.plain / of.warm:.0f} ×), {of.path}"),
        ("first frame", f"{of.cold:.3f} s ({of.plain / of.cold:.0f} ×), grid and proof included"),
        ("rays", f"{of.rays_per_second:,.0f} a second"),
        ("samples", f"{of.evaluated:,} of {of.possible:,} evaluated"),
        ("matrix floor", f"{of.floor:.3f} s a frame (the frame takes {of.warm / of.floor:.2f} ×)"),
        ("error", f"{of.error:.1e} at most of a colour or an opacity"),
        ("peak memory", f"{of.peak / 2**20:,.0f} MiB"),
    ]
