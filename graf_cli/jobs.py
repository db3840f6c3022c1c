"""A Recipe into a sink: the one use case, for the command line, batches and the library alike.

A `Job` says what goes where. `Job.run` opens the sink, asks it what is missing, has an engine
draw that, and returns a `Result`. Nothing is printed: what happens on the way is told to `Events`.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from graf_cli.engine.contract import Engine, Work
from graf_cli.engine.local import LocalEngine
from graf_cli.errors import GrafError
from graf_cli.model.generator import Generator
from graf_cli.model.spec import features_of
from graf_cli.opening import Opened
from graf_cli.output.formats import DEFAULT_NAME, Encoding, Target, export_target, target_of
from graf_cli.output.open import open_sink
from graf_cli.output.provenance.stamp import RECORDS
from graf_cli.output.store.atomic import beside
from graf_cli.output.store.overlap import Overlapped
from graf_cli.output.store.sink import Sink
from graf_cli.output.table import EXPORTS, FORMATS
from graf_cli.recipe import Dataset, Grid, Recipe, Samples, features_for
from graf_cli.rendering.fast.proof import Outcome
from graf_cli.rendering.renderer import RenderOptions
from graf_cli.scene.codes import drawn_controls
from graf_cli.scene.spec import ModelSpec
from graf_cli.sharding import Shard
from graf_cli.shots import Shots, enlarged, outside_training, sample_draw
from graf_cli.stopping import Ending, Terminated, at_once
from graf_cli.surfaces.source import Report, untold

log = logging.getLogger("graf")
T = TypeVar("T")

OpenEngine = Callable[[], AbstractContextManager[Engine]]
Patience = Callable[[], AbstractContextManager[Ending]]


class Events:
    """What is told while a job runs; as it stands here, warnings go to the log and that is all.

    Subclass it to show more, and pass an instance as `events`.
    """

    def warn(self, text: str) -> None:
        """Take a sentence that whoever runs the job should know."""
        log.warning(text)

    def progress(self, pictures: Iterable[T], total: int) -> Iterator[T]:  # noqa: ARG002
        """Pass on each of `total` pictures as it is made."""
        return iter(pictures)

    def making(self, done: float, what: str) -> None:
        """Hear how far, in [0, 1], the shape in hand is, and what is done now; 1 ends it."""

    def ended_early(self, *, kept: bool) -> None:
        """Hear that the job ends before its last picture: finished ones are kept, or are not."""

    def waiting(self, target: Target, missing: int, total: int) -> None:
        """Hear that other shards have yet to make `missing` of all `total` pictures."""


@dataclass(frozen=True)
class OutputOptions:
    """How results are written, which no recipe says.

    Attributes
    ----------
    clobber : bool
        Whether files that are there are replaced.
    metadata : bool
        Whether files carry their recipe, and say that they are generated.
    resume : bool
        Whether what is finished of the same recipe is kept.
    shard : Shard or None
        Which part of the pictures to make; shards keep what is finished, since they share a place.
    encoding : Encoding
    """

    clobber: bool = True
    metadata: bool = True
    resume: bool = False
    shard: Shard | None = None
    encoding: Encoding = field(default_factory=Encoding)

    @property
    def keeps(self) -> bool:
        """Whether what is finished is kept."""
        return self.resume or self.shard is not None


@dataclass(frozen=True)
class Cost:
    """What a job takes.

    Attributes
    ----------
    frames : int
    samples : int
        Along all rays of all frames, or at all nodes of the lattices of exports.
    download : str or None
        The model to fetch first.
    download_bytes : int or None
        Known when there is nothing to fetch; for the rest one has to ask its server.
    """

    frames: int
    samples: int
    download: str | None
    download_bytes: int | None


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
        How pictures were drawn, and the largest difference from the exact integrator measured.
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

    def _repr_html_(self) -> str:
        """What was written, as a notebook shows it."""
        from graf_cli.output.notebook import embedded  # noqa: PLC0415 - in notebooks only

        paths = self.paths or ([self.path] if self.path is not None else [])
        return embedded(paths) if paths else "<p>Nothing is finished yet.</p>"

    def as_json(self) -> dict[str, Any]:
        """Plain data, for scripts."""
        result: dict[str, Any] = {
            "path": None if self.path is None else str(self.path),
            "frames": self.pictures,
            "kept": self.kept,
            "waiting": self.waiting,
            "seconds": round(self.seconds, 3),
        }
        if self.recipe.export is not None:
            result["objects"] = result.pop("frames")
        elif self.kept < self.pictures:
            result |= {
                "method": self.outcome.path,
                "precision": self.outcome.precision,
                "difference": self.outcome.difference,
                "promise_kept": self.outcome.difference <= self.outcome.promise,
            }
        return result if self.records is None else {**result, "records": str(self.records)}


def drawn_as(recipe: Recipe, options: RenderOptions) -> Recipe:
    """The recipe with how it is drawn, as far as that is asked for now or was asked for then.

    The one rule, for the library and the command line: `exact` holds when either asks for it, and
    a precision that is named now takes the place of the recipe's.
    """
    precision = recipe.precision if options.precision == "auto" else options.precision
    return replace(recipe, exact=recipe.exact or options.exact, precision=precision)


def options_of(recipe: Recipe, options: RenderOptions) -> RenderOptions:
    """The options with `exact` and `precision` as `drawn_as` has them in the recipe."""
    drawn = drawn_as(recipe, options)
    return dataclasses.replace(options, exact=drawn.exact, precision=drawn.precision)


def work_of(
    generator: Generator,
    recipe: Recipe,
    pictures: Sequence[int],
    options: RenderOptions,
    *,
    surface: bool = True,
    masks: bool = False,
    report: Report = untold,
) -> Work:
    """Some pictures of a recipe, as an engine takes them.

    Without `surface`, depth and opacity are made where the recipe shows more than colours alone;
    without `masks`, these where it shows them.
    """
    shots = Shots(recipe, generator.spec)
    normals = "normal" in recipe.show
    return Work(
        generator, shots, pictures, options_of(recipe, options),
        normals=normals, surface=surface or recipe.show != ("rgb",),
        masks=masks or "alpha" in recipe.show, report=report,
    )  # fmt: skip


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
    """A Recipe on its way into a target; `job_of` makes the one that suits a recipe.

    Attributes
    ----------
    opened : Opened
        The recipe's model; to run, with its generator.
    recipe : Recipe
    target : Target
    render : RenderOptions
        How pictures are drawn, which moves no pixel beyond the promise.
    output : OutputOptions
    columns : int or None
        Of a contact sheet; None makes none.
    records : Records or None
        A file that tells of a sequence's pictures.
    posed : bool
        Whether the target is the folder of a whole data set, with its cameras.
    also : callable or None
        Writes one more file, as soon as the place for the pictures is there, and names it.
    """

    opened: Opened
    recipe: Recipe
    target: Target
    render: RenderOptions = field(default_factory=RenderOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    columns: int | None = None
    records: Records | None = None
    posed: bool = False
    also: Callable[[], Path] | None = None

    @property
    def asked(self) -> Recipe:
        """The recipe that travels with the pictures, which tells how they were drawn."""
        return drawn_as(self.recipe, self.render)

    def cost(self) -> Cost:
        """What the job takes, without beginning it."""
        recipe, opened = self.recipe, self.opened
        along = recipe.samples + features_of(opened.spec).further
        each = recipe.width * recipe.height * along
        if recipe.export is not None:
            each = recipe.export.resolution**3
        return Cost(
            frames=len(recipe),
            samples=len(recipe) * each,
            download=None if opened.here else recipe.model.name,
            download_bytes=0 if opened.here else None,
        )

    def run(
        self,
        *,
        engine: OpenEngine = LocalEngine,
        events: Events | None = None,
        patience: Patience = at_once,
    ) -> Result:
        """Make what is missing. The sink is opened before the first picture is drawn.

        Parameters
        ----------
        engine : callable
            Opens the engine, as a context manager, once there is something to draw.
        events : Events, optional
            Is told what happens on the way.
        patience : callable
            A context manager, held while a sink that keeps what is finished is filled: its
            `Ending` tells when to stop after the picture in hand.

        Raises
        ------
        GrafError
            When the target cannot be written, or the recipe cannot be drawn.
        KeyboardInterrupt, Terminated
            When it was told to end.
        """
        return _Run(self, self.asked, engine, events or Events(), patience).result()


@dataclass(frozen=True)
class _Run:
    """One run of a job, by whom and told to whom."""

    job: Job
    recipe: Recipe
    engine: OpenEngine
    events: Events
    patience: Patience

    def result(self) -> Result:
        generator, output = self.job.opened.generator, self.job.output
        assert generator is not None
        for warning in (
            outside_training(self.recipe, generator.spec),
            enlarged(self.recipe, generator.spec),
        ):
            if warning:
                self.events.warn(warning)
        start = time.perf_counter()
        with self._open(generator.spec) as sink:
            pictures = (output.shard or Shard()).pictures(
                self.recipe, features_for(self.recipe, generator.spec)
            )
            missing = sink.missing(pictures)
            if self.job.also is not None:
                log.info("Also written: %s.", self.job.also())
            numbers = self.job.posed or self.job.target.format.numbers
            work = work_of(
                generator, self.recipe, missing, self.job.render,
                surface=numbers, masks=self.job.posed, report=self.events.making,
            )  # fmt: skip
            outcome = self._fill(sink, work)
            records = self._write_records()
        target = self.job.target
        if sink.waiting:
            self.events.waiting(target, sink.waiting, len(self.recipe))
        whole = target.path if target.pattern else next(iter(sink.paths), None)
        return Result(
            self.recipe, whole, sink.paths, records, len(pictures), len(pictures) - len(missing),
            sink.waiting, time.perf_counter() - start, outcome,
        )  # fmt: skip

    def _open(self, spec: ModelSpec) -> Sink:
        job, output = self.job, self.job.output
        if job.posed:
            from graf_cli.output.dataset import open_dataset  # noqa: PLC0415 - few jobs need it

            assert job.target.path is not None
            return open_dataset(
                job.target.path, self.recipe, Shots(self.recipe, spec), spec,
                clobber=output.clobber, metadata=output.metadata, resume=output.keeps,
            )  # fmt: skip
        return open_sink(
            job.target, self.recipe, columns=job.columns, clobber=output.clobber,
            metadata=output.metadata, encoding=output.encoding, resume=output.keeps,
            about=(job.records.name,) if job.records else (),
        )  # fmt: skip

    def _fill(self, sink: Sink, work: Work) -> Outcome:
        """Have the pictures made and put; what ends it early is told of."""
        if not work.pictures:
            return Outcome()
        try:
            with self.engine() as engine:
                return self._drawn(sink, work, engine)
        except (KeyboardInterrupt, Terminated, GrafError, OSError):
            if sink.keeps:
                self.events.ended_early(kept=True)
            elif len(work.pictures) > 1 and self.job.target.path is not None:
                self.events.ended_early(kept=False)
            raise

    def _drawn(self, sink: Sink, work: Work, engine: Engine) -> Outcome:
        """Draw into the sink; when told to end, the picture in hand is finished first."""
        with self.patience() if sink.keeps else at_once() as ending:
            if engine.elsewhere and sink.putter is not None:
                outcome = self._delivered(sink, work, engine, ending)
            else:
                outcome = self._put(sink, work, engine, ending)
            ending.check()
        return outcome

    def _put(self, sink: Sink, work: Work, engine: Engine, ending: Ending) -> Outcome:
        """Frames come here, and are written by a second thread."""
        with engine.draw(work) as drawing, Overlapped(sink) as writer:
            frames = self.events.progress(drawing, len(work.pictures))
            for k, frame in zip(work.pictures, frames, strict=True):
                writer.put(k, frame)
                if ending.asked:
                    break
            return drawing.outcome

    def _delivered(self, sink: Sink, work: Work, engine: Engine, ending: Ending) -> Outcome:
        """Frames are put where they are made."""
        put = sink.putter
        assert put is not None
        with engine.deliver(work, put) as delivery:
            for k in self.events.progress(delivery, len(work.pictures)):
                sink.put_elsewhere(k)
                if ending.asked:
                    break
            return delivery.outcome

    def _write_records(self) -> Path | None:
        """They are the same whoever writes them, and kept like the pictures."""
        records, folder = self.job.records, self.job.target.path
        if records is None:
            return None
        assert folder is not None
        path = folder / records.name
        if not (self.job.output.keeps and path.exists()):
            with beside(path) as temporary, temporary.open("wb") as stream:
                stream.writelines(records.lines())
        return path


def target_for(recipe: Recipe, out: str | Path, form: str | None = None) -> Target:
    """What `out` means for a recipe: a name without a suffix is a folder for samples and data sets.

    Raises
    ------
    UsageError
        When no format has that suffix, or the format does not suit.
    """
    folders = recipe.frame is None and isinstance(recipe.plan, Dataset | Samples)
    if recipe.export is not None:
        return export_target(str(out), form, recipe.export.kind, folders=folders)[0]
    return target_of(str(out), form, folders=folders)


def job_of(
    opened: Opened,
    recipe: Recipe,
    target: Target,
    render: RenderOptions | None = None,
    output: OutputOptions | None = None,
) -> Job:
    """What suits the kind of recipe: a contact sheet's columns, records, a data set's folder."""
    posed = whole_dataset(recipe) and target.pattern == f"{DEFAULT_NAME}.png"
    return Job(
        opened,
        recipe,
        Target(target.path, FORMATS["png"]) if posed else target,
        render or RenderOptions(),
        output or OutputOptions(),
        columns=None if posed else _columns(recipe),
        records=records_of(target, recipe, opened.spec),
        posed=posed,
    )


def whole_dataset(recipe: Recipe) -> bool:
    """Whether the recipe is of a data set, and not of one of its pictures."""
    return isinstance(recipe.plan, Dataset) and recipe.frame is None


def _columns(recipe: Recipe) -> int | None:
    """As many as the contact sheet of that kind has; a sweep makes none."""
    if recipe.export is not None:
        return None
    match recipe.plan:
        case Grid() if recipe.frame is None:
            return len(recipe.plan.columns)
        case Dataset() if recipe.frame is None:
            return recipe.plan.views
        case Samples() if recipe.frame is None:
            return math.ceil(math.sqrt(recipe.plan.n))
        case _:
            return None


def records_of(target: Target, recipe: Recipe, spec: ModelSpec) -> Records | None:
    """The file that tells of the pictures of a sample, where they go into a folder."""
    if target.pattern is None or recipe.frame is not None or not isinstance(recipe.plan, Samples):
        return None
    pattern, plan, seen = target.pattern, recipe.plan, recipe.export is None
    return Records(RECORDS, lambda: _lines(pattern, plan, spec, seen=seen))


def _lines(pattern: str, plan: Samples, spec: ModelSpec, *, seen: bool) -> Iterator[bytes]:
    """One line a picture: what `render` needs to show it again; of a shape, its object alone."""
    features = features_of(spec)
    for k in range(plan.n):
        drawn = sample_draw(plan, spec.camera, k)
        record: dict[str, Any] = {"file": pattern % k, "seed": drawn.seed}
        if seen:
            record |= msgspec.to_builtins(drawn)
        if not features.blocks:
            del record["seed"]  # of nothing
        if seen and features.azimuth == "objects":
            del record["azimuth"]  # which would turn them; the cameras have one
        controls = {**drawn_controls(features, drawn.seed, plan.controls), **plan.controls}
        if controls:
            record["controls"] = controls
        yield msgspec.json.encode(record) + b"\n"


def default_target(name: str, recipe: Recipe, form: str | None = None) -> Target:
    """Where results go when nothing is said: the model's name, and a suffix that suits."""
    suffix = form or ("mp4" if len(recipe) > 1 else "png")
    return target_of(f"{Path(name).name.partition(':')[0]}.{suffix}", form)


def replay_name(file: Path, recipe: Recipe) -> str:
    """Where a replay goes when nothing is said: into the current folder, under a name of its own.

    A folder's or a JSON's recipe becomes a picture or a video.
    """
    if whole_dataset(recipe):
        return f"{file.stem.strip('-') or 'dataset'}-replay/"
    if recipe.export is not None:
        kind, name = recipe.export.kind, file.name.lower()
        own = [row.suffix for row in EXPORTS.values() if kind in row.kinds]
        kept = sorted((one for one in own if name.endswith(one)), key=len)
        stem = file.name[: -len(kept[-1])] if kept else file.stem
        folder = "/" if len(recipe) > 1 else (kept or own)[-1 if kept else 0]
        return f"{stem.strip('-') or 'recipe'}-replay{folder}"
    suffix = file.suffix.lower()
    if suffix[1:] not in FORMATS:
        suffix = ".mp4" if len(recipe) > 1 else ".png"
    return f"{file.stem.strip('-') or 'recipe'}-replay{suffix}"
