"""What the drawing commands share: a model, a Recipe, a sink, and what is said at the end."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import msgspec

from graf_cli import api
from graf_cli.cli import console
from graf_cli.cli.options import EngineChoice, ModelChoice, OutputChoice
from graf_cli.errors import RecipeError, UsageError
from graf_cli.model.generator import Generator
from graf_cli.model.spec import ModelSpec
from graf_cli.output.formats import Target, target_of
from graf_cli.output.overlap import Overlapped
from graf_cli.output.sinks import open_sink
from graf_cli.recipe import MAX_BYTES, ModelRef, Recipe, from_json
from graf_cli.rendering.fast.proof import PROMISE, Outcome
from graf_cli.shots import outside_training

log = logging.getLogger("graf")


@dataclass(frozen=True)
class Opened:
    """A model as far as the job needs it: a dry run does without the generator."""

    spec: ModelSpec
    ref: ModelRef
    generator: Generator | None
    here: bool


def open_model(source: ModelChoice, output: OutputChoice, base: Recipe | None = None) -> Opened:
    """The model that the command line names, else that of the recipe, else the default.

    Raises
    ------
    GrafError
    """
    if base is not None and not source.named:
        generator = source.load_for(base)
    elif output.dry_run:
        known = source.outline()
        return Opened(known.spec, known.ref, None, known.here)
    else:
        generator = source.load()
    return Opened(generator.spec, api.reference(generator), generator, here=True)


def read_recipe(path: Path | None) -> Recipe:
    """A recipe from a file of any kind that carries one; None reads JSON from standard input.

    Raises
    ------
    RecipeError
    """
    from graf_cli.output import reading

    if path is not None:
        return reading.read(path).recipe(str(path))
    text = sys.stdin.buffer.read(MAX_BYTES + 1)
    if not text.strip():
        raise RecipeError("Standard input holds no recipe; pipe `graf render --dry-run` into it.")
    return from_json(text)


@dataclass(frozen=True)
class Job:
    """A Recipe on its way into a target.

    Attributes
    ----------
    columns : int or None
        Of a contact sheet.
    records : callable or None
        Writes a file about a finished sequence, given its pictures, and names it.
    """

    opened: Opened
    recipe: Recipe
    target: Target
    engine: EngineChoice
    output: OutputChoice
    columns: int | None = None
    records: Callable[[list[Path]], Path] | None = None

    def run(self) -> None:
        """Draw every frame and say what came out, or only what would.

        Raises
        ------
        GrafError
        """
        replace(self, recipe=_drawn_as(self.recipe, self.engine))._run()

    def _run(self) -> None:
        if self.output.dry_run:
            self._outline()
            return
        if self.output.as_json and self.target.path is None:
            raise UsageError("--json and --out - both want standard output; name a file.")
        start = time.perf_counter()
        paths, outcome = self._draw()
        if self.records is not None:
            paths.append(self.records(paths))
        if self.output.as_json:
            self._print_json(paths, outcome, time.perf_counter() - start)
        else:
            print_paths(paths)

    def _draw(self) -> tuple[list[Path], Outcome]:
        """The files that came out, and how. The sink is opened before the first frame."""
        generator, output = self.opened.generator, self.output
        assert generator is not None
        warning = outside_training(self.recipe, generator.spec)
        if warning:
            log.warning(warning)
        frames = api.draw(generator, self.recipe, self.engine.options(self.recipe))
        sink = open_sink(
            self.target, self.recipe, columns=self.columns, clobber=output.clobber,
            metadata=output.metadata, encoding=output.encoding(),
        )  # fmt: skip
        with sink, Overlapped(sink) as writer:
            for frame in console.progress(frames, len(self.recipe), "frame"):
                writer.write(frame)
        return sink.paths, frames.outcome

    def _print_json(self, paths: list[Path], outcome: Outcome, seconds: float) -> None:
        """One object for the job: the file, or the folder of a sequence."""
        whole = self.target.path if self.target.pattern else paths[0]
        result = {
            "path": str(whole),
            "frames": len(self.recipe),
            "seconds": round(seconds, 3),
            "method": outcome.path,
            "precision": outcome.precision,
            "difference": outcome.difference,
            "promise_kept": outcome.difference <= PROMISE,
        }
        if self.records is not None:
            result["records"] = str(paths[-1])
        console.print_json(result)

    def _outline(self) -> None:
        cost = cost_of(self.recipe, self.opened)
        if self.output.as_json:
            console.print_json({"recipe": msgspec.to_builtins(self.recipe), "cost": cost})
            return
        click.echo(self.recipe.to_json())
        sent = "nothing" if self.opened.here else f"`{self.recipe.model.name}`, size not known"
        console.notify(
            f"{cost['frames']:,} frames, {cost['samples']:,} samples, to download: {sent}."
        )


def _drawn_as(recipe: Recipe, engine: EngineChoice) -> Recipe:
    """The recipe with how it is drawn, as far as that was asked for, now or then."""
    precision = recipe.precision if engine.precision == "auto" else engine.precision
    return msgspec.structs.replace(recipe, exact=recipe.exact or engine.exact, precision=precision)


def cost_of(recipe: Recipe, opened: Opened) -> dict[str, Any]:
    """What drawing a recipe takes.

    The size of a download is known when there is none; for the rest one has to ask its server,
    which a dry run does not.
    """
    along = recipe.samples + opened.spec.network.importance
    return {
        "frames": len(recipe),
        "samples": len(recipe) * recipe.width * recipe.height * along,
        "download": None if opened.here else recipe.model.name,
        "download_bytes": 0 if opened.here else None,
    }


def default_target(name: str, recipe: Recipe, output: OutputChoice) -> Target:
    """Where results go when nothing is said: the model's name, and a suffix that suits."""
    several = len(recipe) > 1
    suffix = output.form or ("mp4" if several else "png")
    return target_of(f"{Path(name).name.partition(':')[0]}.{suffix}", output.form)


def print_paths(paths: list[Path]) -> None:
    """Results on standard output, one a line."""
    for path in paths:
        click.echo(path)
