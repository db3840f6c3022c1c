"""`graf sample`: random objects seen by random cameras."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graf_cli.cli.job import Records
    from graf_cli.output.formats import Target
    from graf_cli.recipe import Recipe
    from graf_cli.scene.spec import ModelSpec


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

    columns = math.ceil(math.sqrt(n))
    records = records_of(target, recipe, opened.spec)
    job.Job(opened, recipe, target, engine, output, columns, records).run()


def records_of(target: Target, recipe: Recipe, spec: ModelSpec) -> Records | None:
    """The file that tells of the pictures of a sample, where they go into a folder."""
    from graf_cli.cli.job import Records
    from graf_cli.output.provenance.stamp import RECORDS
    from graf_cli.recipe import Samples

    if target.pattern is None or recipe.frame is not None or not isinstance(recipe.plan, Samples):
        return None
    return Records(RECORDS, lambda: _records(target, recipe, spec))


def _records(target: Target, recipe: Recipe, spec: ModelSpec) -> Iterator[bytes]:
    """One line a picture: what `render` needs to show it again."""
    import msgspec

    from graf_cli.model.spec import features_of
    from graf_cli.recipe import Samples
    from graf_cli.shots import sample_draw

    assert isinstance(recipe.plan, Samples)
    assert target.pattern is not None
    codes = features_of(spec).blocks
    for k in range(recipe.plan.n):
        drawn = sample_draw(recipe.plan, spec.camera, k)
        record: dict[str, object] = {"file": target.pattern % k, **msgspec.to_builtins(drawn)}
        if not codes:
            del record["seed"]  # of nothing
        if recipe.plan.controls:
            record["controls"] = recipe.plan.controls
        yield msgspec.json.encode(record) + b"\n"
