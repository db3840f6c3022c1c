"""The command group, and the one boundary where errors become sentences and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from graf_cli.cli.console import Common, say
from graf_cli.cli.options import common_options
from graf_cli.errors import GrafError
from graf_cli.version import __version__

INTERRUPTED = 130
BUG = 3

COMMANDS = {
    "render": "render",
    "sample": "sample",
    "grid": "grid",
    "models": "models",
    "download": "download",
    "convert": "convert",
}


class Graf(click.Group):
    """Finds its commands in modules of this folder, imported when named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"graf_cli.cli.{COMMANDS[cmd_name]}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run and exit: 0 done, 1 failed job, 2 wrong command line, 3 our bug, 130 on ^C."""
        common = Common()
        extra = {**extra, "standalone_mode": False, "obj": common}
        try:
            code = super().main(args, *rest, **extra)
            sys.stdout.flush()
        except BaseException as error:  # the one place that may catch everything
            code = _tell(error, debug=common.debug)
        sys.exit(code if isinstance(code, int) else 0)


def _tell(error: BaseException, *, debug: bool) -> int:
    """Say what happened on standard error; the exit code."""
    if debug and isinstance(error, GrafError):
        traceback.print_exception(error)
    code = BUG
    match error:
        case SystemExit():
            code = error.code if isinstance(error.code, int) else 1
        case click.Abort() | KeyboardInterrupt():
            say("Interrupted.")
            code = INTERRUPTED
        case BrokenPipeError():
            _drop_stdout()
            code = 0
        case click.ClickException():
            error.show()
            code = error.exit_code
        case GrafError():
            say(f"Error: {error}")
            code = error.exit_code
        case _:
            traceback.print_exception(error)
            say("Error: This is a bug in graf; please report it with the lines above.")
    return code


def _drop_stdout() -> None:
    """The reader has gone; keep the interpreter from complaining when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=Graf, context_settings={"auto_envvar_prefix": "GRAF", "max_content_width": 100})
@click.version_option(__version__, prog_name="graf")
@common_options
def cli() -> None:
    """Render novel views from pretrained generative radiance fields (GRAF).

    \b
    graf render --azimuth 0:360 --out spin.mp4
    graf sample --n 64
    """


def run() -> NoReturn:
    """The console script."""
    cli.main(prog_name="graf")
