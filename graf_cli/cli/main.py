"""The command group, and the one boundary where errors become sentences and exit codes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

import click

from graf_cli.cli.console import Common, drop_stdout, say
from graf_cli.cli.options import common_options
from graf_cli.errors import GrafError
from graf_cli.stopping import Terminated, terminate
from graf_cli.version import __version__

INTERRUPTED = 130
TERMINATED = 143
BUG = 3
SPINS = "1000"  # of a thread that waits, before it sleeps; some microseconds

COMMANDS = {
    "render": "render",
    "sample": "sample",
    "grid": "grid",
    "dataset": "dataset",
    "export": "export",
    "view": "view",
    "batch": "batch",
    "replay": "replay",
    "invert": "invert",
    "score": "score",
    "info": "info",
    "models": "models",
    "download": "download",
    "convert": "convert",
    "bench": "bench",
}

OPTIONS = {
    "latents": "latent",
    "codes": "code",
    "controls": "control",
}  # whose names are not those of the library's arguments


class ReaderGone(Exception):  # noqa: N818 - it is none
    """Whoever read standard output has gone, which click would make a failure of."""


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

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run and exit: 0 done, 1 failed job, 2 wrong command line, 3 our bug, 130 on ^C."""
        common = Common()
        extra = {**extra, "standalone_mode": False, "obj": common}
        yield_cores()
        with _orderly_end():
            try:
                code = super().main(args, *rest, **extra)
                if sys.stdout is not None:  # as when it was closed by whoever started us
                    sys.stdout.flush()
            except BaseException as error:  # the one place that may catch everything
                _clean_up()
                code = _tell(error, debug=common.debug)
        sys.exit(code if isinstance(code, int) else 0)


def yield_cores() -> None:
    """Have threads of PyTorch that wait for each other sleep, rather than spin for milliseconds.

    Beside any other work on the machine their spinning makes a picture take ten times as long. The
    setting is read when PyTorch is loaded.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = SPINS


@contextmanager
def _orderly_end() -> Iterator[None]:
    """While the program runs, SIGTERM is an exception; where nothing else is told apart."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _clean_up() -> None:
    """Remove what an end at an unlucky moment left; a second ^C does not stop it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    place = sys.modules.get("graf_cli.output.store.atomic")
    if place is not None:
        place.discard_all()


def option(field: str) -> str:
    """The option by which the command line takes an argument of the library."""
    spelled = OPTIONS.get(field, field)  # "no clobber" has a space, and "depth_range" a line
    return f"--{spelled.replace('_', '-').replace(' ', '-')}"


def _tell(error: BaseException, *, debug: bool) -> int:
    """Say what happened on standard error; the exit code."""
    if debug and isinstance(error, GrafError | OSError):
        traceback.print_exception(error)
    code = BUG
    match error:
        case SystemExit():
            code = error.code if isinstance(error.code, int) else 1
        case click.Abort() | KeyboardInterrupt():
            say("Interrupted.")
            code = INTERRUPTED
        case Terminated():
            say("Terminated.")
            code = TERMINATED
        case ReaderGone() | BrokenPipeError():
            drop_stdout()
            code = 0
        case click.ClickException():
            error.show()
            code = error.exit_code
        case GrafError():
            say(f"Error: {error.told(option)}")
            code = error.exit_code
        case OSError():
            drop_stdout()  # what is left in it will not go out either
            where = "Standard output" if error.filename is None else error.filename
            say(f"Error: {where} failed: {error.strerror or error}; see whether its disk has room.")
            code = 1
        case _:
            traceback.print_exception(error)
            say("Error: This is a bug in graf; please report it with the lines above.")
    return code


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
