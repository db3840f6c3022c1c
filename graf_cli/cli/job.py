"""What the drawing commands share: reading a recipe, running a job, saying what came of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import click

from graf_cli.cli import console
from graf_cli.cli.choices import EngineChoice, OutputChoice
from graf_cli.cli.inputs import STDIN
from graf_cli.errors import RecipeError, UsageError
from graf_cli.jobs import Cost, Events, Job, Result
from graf_cli.output.formats import Target
from graf_cli.recipe import MAX_BYTES, Recipe, from_json
from graf_cli.stopping import Ending, after_the_picture_in_hand

T = TypeVar("T")


class Told(Events):
    """What happens on the way, told on standard error."""

    def __init__(self) -> None:
        self._making = console.Share()

    def progress(self, pictures: Iterable[T], total: int) -> Iterator[T]:
        """A bar on a terminal."""
        return console.progress(pictures, total, "frame")

    def making(self, done: float, what: str) -> None:
        """A bar of its own for the shape in hand."""
        self._making(done, what)

    def ended_early(self, *, kept: bool) -> None:
        """How to go on."""
        if kept:
            console.notify("What is finished is kept; give the command again with --resume.")
        else:
            console.notify("Nothing is kept; with --resume what is finished would be.")

    def waiting(self, target: Target, missing: int, total: int) -> None:
        """Why there is no file yet."""
        console.notify(
            f"{total - missing:,} of {total:,} frames are there; "
            f"{target} is made by the shard that finishes last."
        )


@dataclass(frozen=True)
class Planned:
    """What a dry run finds: the recipe, and what it would cost."""

    recipe: Recipe
    cost: Cost


def read_recipe(path: Path) -> Recipe:
    """A recipe from a file of any kind that carries one, or as JSON from standard input.

    Raises
    ------
    RecipeError
        When there is none.
    """
    from graf_cli.output.provenance import reading

    if path != STDIN:
        return reading.read(path).recipe(str(path))
    text = sys.stdin.buffer.read(MAX_BYTES + 1)
    if not text.strip():
        raise RecipeError("Standard input holds no recipe; pipe `graf render --dry-run` into it.")
    return from_json(text)


def run(job: Job, engine: EngineChoice, output: OutputChoice) -> Result | Planned:
    """Draw every frame, or find what that would cost.

    Raises
    ------
    GrafError
        When the job fails.
    """
    if output.dry_run:
        if job.also is not None:
            job.also()
        return Planned(job.asked, job.cost())
    if output.as_json and job.target.path is None:
        raise UsageError("--json and --out - both want standard output; name a file.")
    return job.run(engine=engine.open, events=Told(), patience=_patience)


def _patience() -> AbstractContextManager[Ending]:
    return after_the_picture_in_hand(
        lambda: console.notify("Finishing the picture in hand; once more ends at once.")
    )


def report(result: Result | Planned, output: OutputChoice) -> None:
    """Say on standard output what came of a job."""
    if isinstance(result, Planned):
        _report_plan(result, output)
    elif output.as_json:
        console.print_json(result.as_json())
    else:
        for path in [*result.paths, *([result.records] if result.records else [])]:
            click.echo(path)


def _report_plan(planned: Planned, output: OutputChoice) -> None:
    recipe, cost = planned.recipe, planned.cost
    if output.as_json:
        console.print_json({"recipe": recipe.to_plain(), "cost": asdict(cost)})
        return
    click.echo(recipe.to_json())
    sent = "nothing" if cost.download is None else f"`{cost.download}`, size not known"
    frames = f"{cost.frames:,} frame" + "s" * (cost.frames != 1)
    console.notify(f"{frames}, {cost.samples:,} samples, to download: {sent}.")
