"""`graf grid`: one thing changes from row to row, another from column to column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli.choices import PictureChoice, ViewChoice, by_name
from graf_cli.cli.drawing import Drawing, Request
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

if TYPE_CHECKING:
    from graf_cli.jobs import Job

COUNT = click.IntRange(1, 256)
DEFAULT_COUNT = 5  # of rows and columns


@dataclass(frozen=True, kw_only=True)
class GridRequest(Request):
    """What `graf grid` is asked."""

    rows: tuple[str, Any] | None
    columns: tuple[str, Any] | None
    shapes: int | None
    appearances: int | None
    seed: int
    codes: tuple[tuple[str, tuple[int, ...]], ...]
    view: ViewChoice
    picture: PictureChoice
    out: str

    def job(self) -> Job:
        """A sheet of pictures, or a file each."""
        from graf_cli.output.formats import target_of
        from graf_cli.request import grid

        target = target_of(self.out, self.output.form)
        opened = self.open()
        recipe = grid(
            opened.ref,
            opened.spec,
            _seeds(self.shapes, self.seed, self.rows),
            _seeds(self.appearances, self.seed, self.columns),
            **self.picture.asked(),
            **self.view.asked(),
            rows=None if self.rows is None else dict([self.rows]),
            columns=None if self.columns is None else dict([self.columns]),
            codes=by_name("codes", self.codes),
            seed=self.seed if "seed" in self.said else None,
        )
        return self.job_of(opened, recipe, target)


def _seeds(count: int | None, first: int, axis: object) -> range | None:
    """Those of a side, unless an axis says what changes there."""
    if axis is not None and count is None:
        return None
    return range(first, first + (DEFAULT_COUNT if count is None else count))


@click.command(
    cls=Drawing, short_help="Something changes from row to row, something else in each row."
)
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
def grid(**options: Any) -> GridRequest:
    """Pictures side by side: rows share a shape and columns an appearance, or what you say.

    Of seeds, from:to is every one between; of numbers, 5 that are evenly spread, or COUNT.

    \b
    graf grid --shapes 5 --appearances 5 --azimuth 30 --out grid.png
    graf grid --rows shape=0:4 --columns azimuth=-30:30/7 --out turns.png
    """
    return GridRequest(**options)
