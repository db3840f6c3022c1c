"""The drawing commands: each makes a typed request of its options, which is a job to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, cast

import click
from click.core import ParameterSource

from graf_cli.cli.choices import EngineChoice, ModelChoice, OutputChoice
from graf_cli.cli.loading import loading

if TYPE_CHECKING:
    from graf_cli.cli.job import Planned
    from graf_cli.jobs import Job, Result
    from graf_cli.opening import Opened
    from graf_cli.output.formats import Target
    from graf_cli.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a drawing command is asked, by a command line or a line of a batch.

    Attributes
    ----------
    said : frozenset of str
        Parameters of the command that were given for this job, and not by the environment or a
        default.
    """

    source: ModelChoice
    engine: EngineChoice
    output: OutputChoice
    said: frozenset[str]

    def job(self) -> Job:
        """The job that is asked for, with its files read and its model at hand.

        Raises
        ------
        GrafError, click.UsageError
        """
        raise NotImplementedError

    def run(self) -> Result | Planned:
        """Run the job, or find what it would cost.

        Raises
        ------
        GrafError, click.UsageError
        """
        from graf_cli.cli import job

        return job.run(self.job(), self.engine, self.output)

    def dry(self) -> Self:
        """The same of a job that is only looked at; its model is not fetched."""
        return replace(self, output=replace(self.output, dry_run=True))

    def open(self, base: Recipe | None = None) -> Opened:
        """The model that the request itself names, else that of the recipe, else the default.

        Raises
        ------
        GrafError
            When it cannot be had.
        """
        from graf_cli.opening import Opened

        named = self.source.checkpoint is not None or "model" in self.said
        if base is not None and not named:
            return Opened.of(self.source.load_for(base))
        return self.source.outline() if self.output.dry_run else Opened.of(self.source.load())

    def job_of(self, opened: Opened, recipe: Recipe, target: Target) -> Job:
        """The job that suits the kind of recipe.

        Raises
        ------
        GrafError
        """
        from graf_cli.jobs import job_of

        return job_of(opened, recipe, target, self.engine.options(), self.output.options())


class Drawing(click.Command):
    """A command whose function makes a request of its parameters, which is then run."""

    def request(self, values: Mapping[str, Any], said: frozenset[str]) -> Request:
        """The request of these values of its parameters.

        Raises
        ------
        GrafError
        """
        assert self.callback is not None
        return cast(Request, self.callback(**values, said=said))

    def invoke(self, ctx: click.Context) -> None:
        """Make the request, run it, and say what came of it."""
        ctx.invoke(self._run, ctx)  # which has wrong command lines told with the usage

    def _run(self, ctx: click.Context) -> None:
        with loading():
            from graf_cli.cli.job import report

        request = self.request(ctx.params, said(ctx))
        report(request.run(), request.output)


def said(context: click.Context) -> frozenset[str]:
    """Parameters that the command line gave, and not the environment or a default."""
    return frozenset(
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    )
