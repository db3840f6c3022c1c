"""`graf replay`: what a file says of itself is drawn again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli.drawing import Drawing, Request
from graf_cli.cli.options import (
    common_options,
    engine_options,
    model_options,
    output_options,
)

if TYPE_CHECKING:
    from graf_cli.jobs import Job
    from graf_cli.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class ReplayRequest(Request):
    """What `graf replay` is asked.

    Attributes
    ----------
    recipe : Recipe or None
        What is drawn, where it is not what the file says: a line of a batch brings its own.
    """

    file: Path
    out: str | None
    recipe: Recipe | None = None

    def job(self) -> Job:
        """What the recipe says, by its very own model."""
        from graf_cli.cli.job import read_recipe
        from graf_cli.jobs import replay_name, target_for
        from graf_cli.recipe import check_model

        recipe = read_recipe(self.file) if self.recipe is None else self.recipe
        out = self.out or replay_name(self.file, recipe)
        opened = self.open(recipe)
        check_model(recipe, opened.ref)
        return self.job_of(opened, recipe, target_for(recipe, out, self.output.form))


@click.command(cls=Drawing, short_help="Draw again what a file says that it shows.")
@click.argument("file", type=click.Path(exists=True, path_type=Path, allow_dash=True))
@model_options
@engine_options
@output_options
@click.option(
    "--out", help="What to write, - for standard output.  [default: NAME-replay with its suffix]"
)
@common_options
def replay(**options: Any) -> ReplayRequest:
    """Draw again what FILE says that it shows: a picture, a video, .npz, recipe.json, a folder.

    On the same machine the pixels are the same. The model must be the very one, by its digest;
    a recipe never fetches anything. For a model of your own name its --checkpoint again.

    \b
    graf replay spin.mp4 --out again.mp4
    graf replay samples/0003.png
    """
    return ReplayRequest(**options)
