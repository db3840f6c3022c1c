"""`graf replay`: what a file says of itself is drawn again."""

from __future__ import annotations

import math
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

    recipe = job.read_recipe(None if file == inputs.STDIN else file)
    out = out or _default_name(file, recipe)
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
    from graf_cli.cli.dataset import dataset_job
    from graf_cli.cli.sample import records_of
    from graf_cli.output.formats import DEFAULT_NAME, target_of
    from graf_cli.recipe import check_model

    opened = job.open_model(source, output, recipe)
    check_model(recipe, opened.ref)
    target = target_of(out, output.form, folders=_makes_folders(recipe))
    if _whole_dataset(recipe) and target.pattern == f"{DEFAULT_NAME}.png":
        dataset_job(opened, recipe, Path(out), engine, output).run()
        return
    records = records_of(target, recipe, opened.spec)
    job.Job(opened, recipe, target, engine, output, _columns(recipe), records).run()


def _default_name(file: Path, recipe: Recipe) -> str:
    """In the current folder; a folder's or a JSON's recipe becomes a picture or a video."""
    from graf_cli.output.formats import FORMATS

    if _whole_dataset(recipe):
        return f"{file.stem.strip('-') or 'dataset'}-replay/"
    suffix = file.suffix.lower()
    if suffix[1:] not in FORMATS:
        suffix = ".mp4" if len(recipe) > 1 else ".png"
    return f"{file.stem.strip('-') or 'recipe'}-replay{suffix}"


def _whole_dataset(recipe: Recipe) -> bool:
    from graf_cli.recipe import Dataset

    return isinstance(recipe.plan, Dataset) and recipe.frame is None


def _makes_folders(recipe: Recipe) -> bool:
    """Whether its command makes a folder when nothing is said."""
    from graf_cli.recipe import Dataset, Samples

    return isinstance(recipe.plan, Dataset | Samples) and recipe.frame is None


def _columns(recipe: Recipe) -> int | None:
    """As many as the contact sheet of that kind has; a sweep makes none."""
    from graf_cli.recipe import Dataset, Grid, Samples

    match recipe.plan:
        case Grid() if recipe.frame is None:
            return len(recipe.plan.columns)
        case Dataset() if recipe.frame is None:
            return recipe.plan.views
        case Samples() if recipe.frame is None:
            return math.ceil(math.sqrt(recipe.plan.n))
        case _:
            return None
