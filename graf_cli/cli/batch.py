"""`graf batch`: a job a line."""

from __future__ import annotations

import codecs
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from graf_cli.cli import console
from graf_cli.cli.choices import EngineChoice, ModelChoice
from graf_cli.cli.drawing import Request
from graf_cli.cli.options import (
    common_options,
    engine_options,
    model_options,
)
from graf_cli.cli.values import Options
from graf_cli.errors import GrafError, UsageError

if TYPE_CHECKING:
    from graf_cli.jobs import Result

COMMANDS = ("render", "sample", "grid", "dataset", "export")
LONGEST = 256 << 20  # bytes of a line; a recipe of many codes is long


class BatchFailedError(click.ClickException):
    """Some jobs failed; each has said why in a line of its own."""


@dataclass(frozen=True)
class Line:
    """One line of a batch.

    Attributes
    ----------
    number : int
        From 1 on, empty lines counted too.
    text : bytes
    """

    number: int
    text: bytes


@click.command(short_help="A job a line: recipes, or options by their names.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path,
                                        allow_dash=True))  # fmt: skip
@model_options
@engine_options
@click.option("--resume", is_flag=True, help="Keep what is finished of each job's recipe.")
@click.option("--shard", metavar="I/N|auto",
              help="Only the I-th of N parts of the lines, of about the same cost; auto asks the "
                   "job array that this runs in.  Implies --resume.")  # fmt: skip
@click.option("--fail-fast", is_flag=True, help="End with the first job that fails.")
@common_options
def batch(
    *,
    file: Path,
    source: ModelChoice,
    engine: EngineChoice,
    resume: bool,
    shard: str | None,
    fail_fast: bool,
) -> None:
    """Run the jobs of FILE, one JSON object a line; - is standard input.

    A line is a recipe (`graf render --dry-run`) with `out`, or options by their names with `out`
    and `command` (render, sample, grid, dataset, export; render when missing). Options of the
    batch are the lines' defaults. Models are loaded once, and jobs of one shape share what is
    known of it.
    As each job ends, one JSON object says so on standard output; a job that fails stops no other,
    and makes the exit code 1.

    \b
    {"seed": 3, "azimuth": "0:360", "out": "three.mp4"}
    {"command": "sample", "n": 16, "size": 64, "out": "sixteen/"}

    \b
    graf batch jobs.jsonl --resume
    graf batch jobs.jsonl --shard auto
    """
    defaults = _defaults(source, engine, resume=resume or shard is not None)
    with engine.open():
        lines: Iterable[Line] = _lines(file)
        if shard is not None:
            lines = _part(list(lines), shard, defaults)
        failed = _run(lines, defaults, fail_fast=fail_fast)
    if failed:
        raise BatchFailedError(f"{failed} job{'s' * (failed > 1)} failed.")


@dataclass(frozen=True)
class Defaults:
    """The batch's own options, as each job's begin.

    Attributes
    ----------
    model : dict
        Which model; a recipe says that itself, and so may a line.
    weights : dict
        Its file, which a recipe does not name.
    others : dict
    options : callable
        The options of a command by its name, with what the environment says of them; found when
        the first line asks for them.
    """

    model: dict[str, Any]
    weights: dict[str, Any]
    others: dict[str, Any]
    options: Callable[..., Options]

    def request(self, job: Mapping[str, Any]) -> Request:
        """What the command of a job would be asked.

        Raises
        ------
        GrafError, click.ClickException
        """
        if "plan" in job:
            return self._replayed(job)
        name = job.get("command", "render")
        if name not in COMMANDS:
            raise UsageError(
                f"There is no `command` {name!r} for a batch; use {', '.join(COMMANDS)}."
            )
        line = {key: value for key, value in job.items() if key != "command"}
        model = {} if line.keys() & {"model", "checkpoint"} else {**self.model, **self.weights}
        return self.options(name).request({**model, **self.others}, line)

    def _replayed(self, job: Mapping[str, Any]) -> Request:
        """That of a recipe. It comes with the batch, and yet names no file that is opened."""
        from graf_cli.recipe import from_json

        typed = {"recipe": from_json(_recipe_of(job)), "out": job["out"]}
        return self.options("replay", "-").request({**self.weights, **self.others, **typed}, {})


def _defaults(source: ModelChoice, engine: EngineChoice, *, resume: bool) -> Defaults:
    def given(**options: object) -> dict[str, Any]:
        return {key: value for key, value in options.items() if value is not None}

    flags = {key: True for key, on in (("exact", engine.exact), ("resume", resume)) if on}
    rest = given(device=source.device, chunk=engine.chunk, precision=engine.precision)
    weights = given(checkpoint=source.checkpoint, config=source.config, like=source.like)
    return Defaults(given(model=source.model), weights, {**rest, **flags}, cache(Options.of))


def _lines(file: Path) -> Iterator[Line]:
    """Lines that are not empty, as they come."""
    if str(file) == "-":
        yield from _read(sys.stdin.buffer)
        return
    with file.open("rb") as stream:
        yield from _read(stream)


def _read(stream: BinaryIO) -> Iterator[Line]:
    number = 0
    while text := stream.readline(LONGEST + 1):
        number += 1
        text = text.removeprefix(codecs.BOM_UTF8)
        if len(text) > LONGEST:
            raise UsageError(f"Line {number} is longer than {LONGEST >> 20} MiB; split the batch.")
        if text.strip():
            yield Line(number, text.strip())


def _part(lines: Sequence[Line], shard: str, defaults: Defaults) -> Sequence[Line]:
    from graf_cli.sharding import parse_shard

    part = parse_shard(shard)
    mine = part.slice([_cost(line, defaults) for line in lines])
    return lines[mine.start : mine.stop]


def _cost(line: Line, defaults: Defaults) -> float:
    """Samples of a job, whatever is on this machine; one not understood costs nothing."""
    from graf_cli.recipe import from_json

    try:
        job = _parsed(line)
        if "plan" in job:
            recipe = from_json(_recipe_of(job))
            return float(len(recipe) * recipe.width * recipe.height * recipe.samples)
        with console.put_back():
            return float(defaults.request(job).dry().job().cost().samples)
    except (GrafError, click.ClickException):
        return 0.0


def _run(lines: Iterable[Line], defaults: Defaults, *, fail_fast: bool) -> int:
    """How many jobs failed."""
    failed = 0
    taken: set[str] = set()
    for line in lines:
        start = time.perf_counter()
        told: dict[str, Any] = {"line": line.number}
        try:
            job = _parsed(line)
            told["out"] = job["out"]
            _take(job["out"], taken)
            with console.put_back():
                told |= _told(_result(defaults.request(job)))
        except Exception as error:
            failed += 1
            told |= {"status": "failed", "error": _reason(error)}
        _say({**told, "seconds": round(time.perf_counter() - start, 3)})
        if failed and fail_fast:
            break
    return failed


def _say(told: dict[str, Any]) -> None:
    """A line of standard output; the jobs are run whether anybody reads of them or not."""
    try:
        console.print_json(told)
        sys.stdout.flush()
    except BrokenPipeError:
        console.drop_stdout()


def _take(out: str, taken: set[str]) -> None:
    place = os.path.normpath(out)
    if place in taken:
        raise UsageError(f"{out} is another job's `out` too; name another.")
    taken.add(place)


def _reason(error: Exception) -> str:
    """Why a job failed, in a sentence; a bug's traceback goes to standard error."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, GrafError | OSError):
        return str(error)
    traceback.print_exception(error)
    return f"{type(error).__name__}: {error}"


def _told(result: Result) -> dict[str, Any]:
    """What a job that ended well says."""
    status = "waiting" if result.waiting else "done"
    if result.pictures and result.kept == result.pictures and not result.waiting:
        status = "kept"
    return {"status": status, **result.as_json()}


def _parsed(line: Line) -> dict[str, Any]:
    """The object of a line.

    Raises
    ------
    UsageError
        When it is none, or lacks an `out` that a batch can have.
    """
    import msgspec

    try:
        job = msgspec.json.decode(line.text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UsageError(f"Line {line.number} is not JSON: {error}.") from error
    if not isinstance(job, dict) or not isinstance(job.get("out"), str) or not job["out"]:
        raise UsageError(
            f"Line {line.number} is not an object with an `out`, a name; say where the job goes."
        )
    if "\0" in job["out"]:
        raise UsageError(f"Line {line.number}: `out` is not a name of a file; give another.")
    if job["out"] == "-":
        raise UsageError(f"Line {line.number}: a batch writes files; name one as `out`.")
    return job


def _result(request: Request) -> Result:
    from graf_cli.cli.job import Planned

    result = request.run()
    if isinstance(result, Planned):
        raise UsageError("A line of a batch is no dry run; leave out `dry_run`.")
    return result


def _recipe_of(job: Mapping[str, Any]) -> bytes:
    import msgspec

    return msgspec.json.encode({key: value for key, value in job.items() if key != "out"})
