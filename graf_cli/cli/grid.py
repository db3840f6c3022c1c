"""`graf grid`: rows share a shape, columns an appearance."""

from __future__ import annotations

import click

from graf_cli.cli.choices import (
    EngineChoice,
    ModelChoice,
    OutputChoice,
    PictureChoice,
    ViewChoice,
)
from graf_cli.cli.options import (
    camera_options,
    common_options,
    engine_options,
    model_options,
    output_options,
    picture_options,
)

COUNT = click.IntRange(1, 256)


@click.command(short_help="Rows share a shape, columns an appearance.")
@model_options
@click.option("--shapes", type=COUNT, default=5, show_default=True, help="Rows.")
@click.option("--appearances", type=COUNT, default=5, show_default=True, help="Columns.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**62),
    default=0,
    show_default=True,
    help="Of the first row and column; the others follow.",
)
@camera_options
@picture_options
@engine_options
@output_options
@click.option("--out", default="grid.png", show_default=True, help="What to write.")
@common_options
def grid(
    *,
    source: ModelChoice,
    shapes: int,
    appearances: int,
    seed: int,
    view: ViewChoice,
    picture: PictureChoice,
    engine: EngineChoice,
    output: OutputChoice,
    out: str,
) -> None:
    """Every shape in every appearance: rows share a shape, columns an appearance.

    \b
    graf grid --shapes 5 --appearances 5 --azimuth 30 --out grid.png
    """
    from graf_cli.cli import job
    from graf_cli.output.formats import target_of
    from graf_cli.request import grid as grid_recipe

    target = target_of(out, output.form)
    opened = job.open_model(source, output)
    rows, columns = range(seed, seed + shapes), range(seed, seed + appearances)
    asked = {**picture.asked(), **view.asked()}
    recipe = grid_recipe(opened.ref, opened.spec, rows, columns, **asked)
    job.draw(opened, recipe, target, engine, output)
