"""`graf replay`: what a file says of itself is drawn again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from graf_cli.cli.choices import EngineChoice, ModelChoice, OutputChoice
from graf_cli.cli.options import (
    common_options,
    engine_options,
    model_options,
    output_options,
)

if TYPE_CHECKING:
    from graf_cli.recipe import Recipe


@click.command(short_help="Draw again what a file says that it shows.")
@click.argument("file", type=click.Path(exists=True, path_type=Path, allow_dash=True))
@model_options
@engine_options
@output_options
@click.option(
    "--out", help="What to write, - for standard output.  [default: NAME-replay with its suffix]"
)
@common_options
def replay(
    *,
    file: Path,
    source: ModelChoice,
    engine: EngineChoice,
    output: OutputChoice,
    out: str | None,
) -> None:
    """Draw again what FILE says that it shows: a picture, a video, .npz, recipe.json, a folder.

    On the same machine the pixels are the same. The model must be the very one, by its digest;
    a recipe never fetches anything. For a model of your own name its --checkpoint again.

    \b
    graf replay spin.mp4 --out again.mp4
    graf replay samples/0003.png
    """
    from graf_cli.cli import inputs, job
    from graf_cli.jobs import replay_name

    recipe = job.read_recipe(None if file == inputs.STDIN else file)
    out = out or replay_name(file, recipe)
    replay_recipe(recipe, out, source=source, engine=engine, output=output)


def replay_recipe(
    recipe: Recipe, out: str, *, source: ModelChoice, engine: EngineChoice, output: OutputChoice
) -> None:
    """Draw a recipe with its very own model.

    Raises
    ------
    GrafError
    """
    from graf_cli.cli import job
    from graf_cli.jobs import target_for
    from graf_cli.recipe import check_model

    opened = job.open_model(source, output, recipe)
    check_model(recipe, opened.ref)
    job.draw(opened, recipe, target_for(recipe, out, output.form), engine, output)
