"""What the drawing commands share: run a Recipe into a sink, print what came out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import click

from graf_cli import api
from graf_cli.cli.console import progress
from graf_cli.model.generator import Generator
from graf_cli.output.overlap import Overlapped
from graf_cli.output.sinks import Sink
from graf_cli.recipe import Recipe
from graf_cli.render.renderer import RenderOptions
from graf_cli.shots import outside_training

log = logging.getLogger("graf")


def run(
    generator: Generator,
    recipe: Recipe,
    open_sink: Callable[[], Sink],
    options: RenderOptions,
) -> list[Path]:
    """Draw every frame; the files that came out. The sink is opened before the first frame.

    Raises
    ------
    GrafError
    """
    warning = outside_training(recipe, generator.spec)
    if warning:
        log.warning(warning)
    frames = api.draw(generator, recipe, options)
    with open_sink() as sink, Overlapped(sink) as writer:
        for frame in progress(frames, len(recipe), "frame"):
            writer.write(frame)
    return sink.paths


def print_paths(paths: list[Path]) -> None:
    """Results on standard output, one a line."""
    for path in paths:
        click.echo(path)
