"""`graf view`: a page in the browser that explores a generator."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from graf_cli.cli import console
from graf_cli.cli.choices import ModelChoice
from graf_cli.cli.drawing import said
from graf_cli.cli.options import common_options, model_options
from graf_cli.errors import UsageError

if TYPE_CHECKING:
    from graf_cli.viewer.desk import Desk

HERE = "127.0.0.1"


@click.command(short_help="A page in the browser that explores a model.")
@click.argument("picture", required=False, type=click.Path(exists=True, path_type=Path))
@model_options
@click.option(
    "--host",
    default=HERE,
    show_default=True,
    help="Address to serve at; any that others can reach needs --token.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="0 takes any that is free.  [default: 8423, or the next that is free]",
)
@click.option(
    "--token",
    help="Part of the page's address that lets one in, 16 letters or more; with it and --port, a "
    "page finds the program again.  [default: drawn at random]",
)
@click.option(
    "--browser/--no-browser",
    default=True,
    show_default=True,
    help="Whether to open the page, where there is a screen.",
)
@common_options
def view(
    *,
    picture: Path | None,
    source: ModelChoice,
    host: str,
    port: int | None,
    token: str | None,
    browser: bool,
) -> None:
    """A page in the browser that explores a model, until ^C.

    Its address is the one line on standard output. PICTURE is anything that graf wrote: the page
    opens at its very view.

    \b
    graf view
    graf view --model cars
    graf view car.png
    """
    _require_aiohttp()
    from graf_cli.model.manifest import load_manifest
    from graf_cli.viewer.guard import guard
    from graf_cli.viewer.server import place, serve

    named = "model" in said(click.get_current_context())
    if picture is not None and named and source.checkpoint is None:
        raise UsageError("PICTURE names its own model; leave ⟨model⟩ out.")
    common = console.common()
    guard(host, 0, token)  # before anything is opened
    if source.model is not None and source.checkpoint is None:
        load_manifest(common.manifest).resolve(
            source.model
        )  # one that there is none of is told here
    at = place(host, port)
    door = guard(host, at.port, token)

    def opening() -> Desk:
        from graf_cli.viewer.desk import Desk
        from graf_cli.viewer.models import Choice

        choice = Choice(
            model=source.model, checkpoint=source.checkpoint, config=source.config,
            family=source.family, device=source.device, manifest=common.manifest,
            offline=common.offline,
        )  # fmt: skip
        return Desk(choice, picture)

    def ready() -> None:
        address = at.address(door.token)
        click.echo(address)  # which flushes
        if browser and _has_screen():
            click.launch(address)

    serve(opening, door, at, ready)


def _require_aiohttp() -> None:
    try:
        import aiohttp  # noqa: F401
    except ImportError as error:
        raise UsageError(
            'The page is served by aiohttp, which is not installed; run `pip install "graf[view]"`.'
        ) from error


def _has_screen() -> bool:
    """Whether a browser has somewhere to open: a text browser would take the terminal away."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY"))
