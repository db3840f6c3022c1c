"""What the drawing commands share: a model, a Recipe, a sink, and what is said at the end."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import msgspec

from graf_cli import api
from graf_cli.cli import console
from graf_cli.cli.choices import EngineChoice, ModelChoice, OutputChoice
from graf_cli.cli.ending import Ending, Terminated, after_the_picture_in_hand
from graf_cli.engine.contract import Engine, Put, Work
from graf_cli.errors import GrafError, RecipeError, UsageError
from graf_cli.model.generator import Generator
from graf_cli.model.spec import features_of
from graf_cli.output.formats import Target, target_of
from graf_cli.output.open import open_sink
from graf_cli.output.store.atomic import beside
from graf_cli.output.store.overlap import Overlapped
from graf_cli.output.store.sink import Sink
from graf_cli.recipe import MAX_BYTES, ModelRef, Recipe, from_json
from graf_cli.rendering.fast.proof import PROMISE, Outcome
from graf_cli.scene.spec import ModelSpec
from graf_cli.shots import Shots, outside_training

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
    from graf_cli.output.provenance import reading

    if path is not None:
        return reading.read(path).recipe(str(path))
    text = sys.stdin.buffer.read(MAX_BYTES + 1)
    if not text.strip():
        raise RecipeError("Standard input holds no recipe; pipe `graf render --dry-run` into it.")
    return from_json(text)


@dataclass(frozen=True)
class Result:
    """What came of a job.

    Attributes
    ----------
    recipe : Recipe
    path : Path or None
        The file, or the folder of a sequence; None when other shards have yet to finish it.
    paths : list of Path
        All files, those included that were finished before.
    records : Path or None
        The file about a sequence.
    pictures : int
        That this process was to see to.
    kept, waiting : int
        Of these, how many were finished before; and how many of the whole file others still make.
    seconds : float
    outcome : Outcome
    cost : dict or None
        Of a dry run, which has nothing else.
    """

    recipe: Recipe
    path: Path | None = None
    paths: list[Path] = field(default_factory=list)
    records: Path | None = None
    pictures: int = 0
    kept: int = 0
    waiting: int = 0
    seconds: float = 0.0
    outcome: Outcome = field(default_factory=Outcome)
    cost: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data, for scripts."""
        result: dict[str, Any] = {
            "path": None if self.path is None else str(self.path),
            "frames": self.pictures,
            "kept": self.kept,
            "waiting": self.waiting,
            "seconds": round(self.seconds, 3),
        }
        if self.kept < self.pictures:
            result |= {
                "method": self.outcome.path,
                "precision": self.outcome.precision,
                "difference": self.outcome.difference,
                "promise_kept": self.outcome.difference <= PROMISE,
            }
        return result if self.records is None else {**result, "records": str(self.records)}


@dataclass(frozen=True)
class Records:
    """A file that tells of a sequence's pictures, those of all shards.

    Attributes
    ----------
    name : str
    lines : callable
        Makes what is in it.
    """

    name: str
    lines: Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Job:
    """A Recipe on its way into a target.

    Attributes
    ----------
    columns : int or None
        Of a contact sheet.
    records : Records or None
        A file that tells of a sequence's pictures.
    sink : callable or None
        Opens something else than the target's sink, given whether to resume.
    also : callable or None
        Writes one more file, as soon as the place for the pictures is there, and names it.
    """

    opened: Opened
    recipe: Recipe
    target: Target
    engine: EngineChoice
    output: OutputChoice
    columns: int | None = None
    records: Records | None = None
    sink: Callable[[Recipe, bool], Sink] | None = None
    also: Callable[[], Path] | None = None

    def run(self) -> None:
        """Draw every frame and say what came out, or only what would.

        Raises
        ------
        GrafError
        """
        job = replace(self, recipe=api.drawn_as(self.recipe, self.engine.options()))
        console.common().report(job._result(), self.output)

    def _result(self) -> Result:
        if self.output.dry_run:
            self._write_also()
            return Result(self.recipe, cost=cost_of(self.recipe, self.opened))
        if self.output.as_json and self.target.path is None:
            raise UsageError("--json and --out - both want standard output; name a file.")
        return self._draw()

    def _draw(self) -> Result:
        """The sink is opened before the first frame."""
        generator = self.opened.generator
        assert generator is not None
        warning = outside_training(self.recipe, generator.spec)
        if warning:
            log.warning(warning)
        start = time.perf_counter()
        part = self.output.part()
        with self._open() as sink:
            pictures = part.pictures(self.recipe)
            missing = sink.missing(pictures)
            self._write_also()
            work = Work(
                generator,
                Shots(self.recipe, generator.spec),
                missing,
                api.options_of(self.recipe, self.engine.options()),
                normals="normal" in self.recipe.show,
            )
            outcome = self._fill(sink, work)
            records = self._write_records()
        if sink.waiting:
            notify_waiting(self.target, sink.waiting, len(self.recipe))
        whole = self.target.path if self.target.pattern else next(iter(sink.paths), None)
        return Result(
            self.recipe, whole, sink.paths, records, len(pictures), len(pictures) - len(missing),
            sink.waiting, time.perf_counter() - start, outcome,
        )  # fmt: skip

    def _write_also(self) -> None:
        if self.also is not None:
            log.info("Cameras: %s.", self.also())

    def _write_records(self) -> Path | None:
        """It is the same whoever writes it, and kept like the pictures."""
        if self.records is None:
            return None
        assert self.target.path is not None
        path = self.target.path / self.records.name
        if not (self.output.keeps and path.exists()):
            with beside(path) as temporary, temporary.open("wb") as stream:
                stream.writelines(self.records.lines())
        return path

    def _open(self) -> Sink:
        resume = self.output.keeps
        if self.sink is not None:
            return self.sink(self.recipe, resume)
        return open_sink(
            self.target, self.recipe, columns=self.columns, clobber=self.output.clobber,
            metadata=self.output.metadata, encoding=self.output.encoding(), resume=resume,
            about=(self.records.name,) if self.records else (),
        )  # fmt: skip

    def _fill(self, sink: Sink, work: Work) -> Outcome:
        """Have the pictures made and put; what ends it early tells how to go on."""
        if not work.pictures:
            return Outcome()
        try:
            with self.engine.open() as engine:
                return fill(sink, work, engine)
        except (KeyboardInterrupt, Terminated, GrafError, OSError):
            if sink.keeps:
                console.notify("What is finished is kept; give the command again with --resume.")
            elif len(work.pictures) > 1 and self.target.path is not None:
                console.notify("Nothing is kept; with --resume what is finished would be.")
            raise


def fill(sink: Sink, work: Work, engine: Engine) -> Outcome:
    """Draw pictures into a sink; when told to end, the picture in hand is finished first.

    Raises
    ------
    GrafError
    KeyboardInterrupt, Terminated
    """
    patience = after_the_picture_in_hand() if sink.keeps else nullcontext(Ending())
    with patience as ending:
        if engine.elsewhere and sink.putter is not None:
            outcome = _deliver(sink, sink.putter, work, engine, ending)
        else:
            outcome = _write(sink, work, engine, ending)
        ending.check()
    return outcome


def _write(sink: Sink, work: Work, engine: Engine, ending: Ending) -> Outcome:
    with engine.draw(work) as drawing, Overlapped(sink) as writer:
        frames = console.progress(drawing, len(work.pictures), "frame")
        for k, frame in zip(work.pictures, frames, strict=True):
            writer.put(k, frame)
            if ending.asked:
                break
        return drawing.outcome


def _deliver(sink: Sink, put: Put, work: Work, engine: Engine, ending: Ending) -> Outcome:
    with engine.deliver(work, put) as delivery:
        for k in console.progress(delivery, len(work.pictures), "frame"):
            sink.put_elsewhere(k)
            if ending.asked:
                break
        return delivery.outcome


def report(result: Result, output: OutputChoice) -> None:
    """Say what came of a job on standard output."""
    if result.cost is not None:
        _report_cost(result.recipe, result.cost, output)
    elif output.as_json:
        console.print_json(result.as_json())
    else:
        print_paths([*result.paths, *([result.records] if result.records else [])])


def _report_cost(recipe: Recipe, cost: dict[str, Any], output: OutputChoice) -> None:
    if output.as_json:
        console.print_json({"recipe": msgspec.to_builtins(recipe), "cost": cost})
        return
    click.echo(recipe.to_json())
    sent = "nothing" if cost["download"] is None else f"`{cost['download']}`, size not known"
    frames = f"{cost['frames']:,} frame" + "s" * (cost["frames"] != 1)
    console.notify(f"{frames}, {cost['samples']:,} samples, to download: {sent}.")


def notify_waiting(target: Target, waiting: int, pictures: int) -> None:
    """Why there is no file yet."""
    console.notify(
        f"{pictures - waiting:,} of {pictures:,} frames are there; "
        f"{target} is made by the shard that finishes last."
    )


def cost_of(recipe: Recipe, opened: Opened) -> dict[str, Any]:
    """What drawing a recipe takes.

    The size of a download is known when there is none; for the rest one has to ask its server,
    which a dry run does not.
    """
    along = recipe.samples + features_of(opened.spec).further
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
