"""`graf sample`: random objects seen by random cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli.choices import PictureChoice
from graf_cli.cli.drawing import Drawing, Request
from graf_cli.cli.options import (
    common_options,
    engine_options,
    model_options,
    output_options,
    picture_options,
)

if TYPE_CHECKING:
    from graf_cli.jobs import Job


@dataclass(frozen=True, kw_only=True)
class SampleRequest(Request):
    """What `graf sample` is asked."""

    n: int
    seed: int
    picture: PictureChoice
    out: str

    def job(self) -> Job:
        """Pictures into a folder, or a sheet of them."""
        from graf_cli.output.formats import target_of
        from graf_cli.request import sample

        target = target_of(self.out, self.output.form, folders=True)
        opened = self.open()
        recipe = sample(opened.ref, opened.spec, self.n, self.seed, **self.picture.asked())
        return self.job_of(opened, recipe, target)


@click.command(cls=Drawing, short_help="Random objects seen by random cameras.")
@model_options
@click.option(
    "--n", type=click.IntRange(1, 1_000_000), default=16, show_default=True, help="How many."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Fixes all of it; picture k is the same whatever --n is.",
)
@picture_options
@engine_options
@output_options
@click.option(
    "--out",
    default="samples/",
    show_default=True,
    help="A folder (NAME or NAME/) of numbered pictures and samples.jsonl, or a file, such as "
    "one contact sheet as .png.",
)
@common_options
def sample(**options: Any) -> SampleRequest:
    """Random objects seen by random cameras, from the model's own distribution.

    \b
    graf sample --n 64
    graf sample --n 64 --out sheet.png
    """
    return SampleRequest(**options)
