"""`graf grid`: one thing changes from row to row, another from column to column."""

from __future__ import annotations

from typing import Any

import click

from graf_cli.cli.choices import (
    EngineChoice,
    ModelChoice,
    OutputChoice,
    PictureChoice,
    ViewChoice,
    by_name,
    from_command_line,
)
from graf_cli.cli.options import (
    camera_options,
    code_option,
    common_options,
    engine_options,
    model_options,
    output_options,
    picture_options,
)
from graf_cli.cli.types import AXIS

COUNT = click.IntRange(1, 256)
DEFAULT_COUNT = 5  # of rows and columns


@click.command(short_help="Something changes from row to row, something else in each row.")
@model_options
@click.option(
    "--rows",
    type=AXIS,
    metavar="NAME=VALUES",
    help="What changes from row to row: a code, seed (all codes), azimuth, elevation, "
    "radius, fov or a control. VALUES are a,b,c or from:to or from:to/COUNT.",
)
@click.option("--columns", type=AXIS, metavar="NAME=VALUES", help="Likewise, in each row.")
@click.option("--shapes", type=COUNT, help="Rows, short for seeds of the shape.  [default: 5]")
@click.option(
    "--appearances", type=COUNT, help="Columns, short for seeds of the appearance.  [default: 5]"
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**62),
    default=0,
    show_default=True,
    help="Of the first shape and appearance, the others follow; and of codes that stay the same.",
)
@code_option
@camera_options
@picture_options
@engine_options
@output_options
@click.option("--out", default="grid.png", show_default=True, help="What to write.")
@common_options
def grid(
    *,
    source: ModelChoice,
    rows: tuple[str, Any] | None,
    columns: tuple[str, Any] | None,
    shapes: int | None,
    appearances: int | None,
    seed: int,
    codes: tuple[tuple[str, tuple[int, ...]], ...],
    view: ViewChoice,
    picture: PictureChoice,
    engine: EngineChoice,
    output: OutputChoice,
    out: str,
) -> None:
    """Pictures side by side: rows share a shape and columns an appearance, or what you say.

    Of seeds, from:to is every one between; of numbers, 5 that are evenly spread, or COUNT.

    \b
    graf grid --shapes 5 --appearances 5 --azimuth 30 --out grid.png
    graf grid --rows shape=0:4 --columns azimuth=-30:30/7 --out turns.png
    """
    from graf_cli.cli import job
    from graf_cli.output.formats import target_of
    from graf_cli.request import grid as grid_recipe

    target = target_of(out, output.form)
    opened = job.open_model(source, output)
    asked = {
        **picture.asked(), **view.asked(),
        "rows": None if rows is None else dict([rows]),
        "columns": None if columns is None else dict([columns]),
        "codes": by_name("codes", codes),
        "seed": seed if from_command_line("seed") else None,
    }  # fmt: skip
    recipe = grid_recipe(
        opened.ref,
        opened.spec,
        _seeds(shapes, seed, rows),
        _seeds(appearances, seed, columns),
        **asked,
    )
    job.draw(opened, recipe, target, engine, output)


def _seeds(count: int | None, first: int, axis: object) -> range | None:
    """Those of a side, unless an axis says what changes there."""
    if axis is not None and count is None:
        return None
    return range(first, first + (DEFAULT_COUNT if count is None else count))
