"""`graf sample`: random objects seen by random cameras."""

from __future__ import annotations

import click

from graf_cli.cli.choices import (
    EngineChoice,
    ModelChoice,
    OutputChoice,
    PictureChoice,
)
from graf_cli.cli.options import (
    common_options,
    engine_options,
    model_options,
    output_options,
    picture_options,
)


@click.command(short_help="Random objects seen by random cameras.")
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
def sample(
    *,
    source: ModelChoice,
    n: int,
    seed: int,
    picture: PictureChoice,
    engine: EngineChoice,
    output: OutputChoice,
    out: str,
) -> None:
    """Random objects seen by random cameras, from the model's own distribution.

    \b
    graf sample --n 64
    graf sample --n 64 --out sheet.png
    """
    from graf_cli.cli import job
    from graf_cli.output.formats import target_of
    from graf_cli.request import sample as sample_recipe

    target = target_of(out, output.form, folders=True)
    opened = job.open_model(source, output)
    recipe = sample_recipe(opened.ref, opened.spec, n, seed, **picture.asked())
    job.draw(opened, recipe, target, engine, output)
