"""Words for people: standard error only, and progress bars only on a terminal."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from graf_cli.engine.contract import Engine
    from graf_cli.model.generator import Generator

T = TypeVar("T")
LOGGER = "graf"


@dataclass
class Common:
    """Options that every command takes, and what the jobs of one process share.

    Attributes
    ----------
    models : dict
        Generators that jobs before this one have loaded, by what named them.
    engine : Engine or None
        That jobs before this one have opened.
    """

    manifest: Path | None = None
    offline: bool | None = None
    verbosity: int = 0  # -1 quiet, 0, 1 verbose
    debug: bool = False
    models: dict[object, Generator] = field(default_factory=dict)
    engine: Engine | None = None


def common() -> Common:
    """That of the command which is running."""
    return click.get_current_context().ensure_object(Common)


@contextmanager
def put_back() -> Iterator[None]:
    """Have what is said in the block of options that every command takes hold there alone."""
    here = common()
    before = {name: getattr(here, name) for name in ("manifest", "offline", "verbosity", "debug")}
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(here, name, value)
        set_verbosity(here.verbosity)


class _Lines(logging.Formatter):
    """`Warning: …`, and the bare sentence for what is only worth knowing."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname.title()}: {text}"


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever standard error is at the time, and clear of a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


def set_verbosity(verbosity: int) -> None:
    """Let the library's log through: warnings, with -v everything, with -q only errors."""
    logger = logging.getLogger(LOGGER)
    logger.setLevel({-1: logging.ERROR, 0: logging.WARNING}.get(verbosity, logging.INFO))
    if not any(isinstance(handler, _Stderr) for handler in logger.handlers):
        handler = _Stderr()
        handler.setFormatter(_Lines())
        logger.addHandler(handler)
        logger.propagate = False


def say(text: str) -> None:
    """A line on standard error, without tearing a progress bar."""
    if "tqdm" in sys.modules and sys.stderr.isatty():
        sys.modules["tqdm"].tqdm.write(text, file=sys.stderr)
    else:
        click.echo(text, err=True)


def quiet() -> bool:
    """Whether -q was given."""
    return logging.getLogger(LOGGER).level >= logging.ERROR


def notify(text: str) -> None:
    """A line for whoever did not ask for quiet."""
    if not quiet():
        say(text)


def warn(text: str) -> None:
    """What the user should know, unless -q was given."""
    logging.getLogger(LOGGER).warning(text)


def progress(items: Iterable[T], total: int, unit: str) -> Iterator[T]:
    """Pass items on, with a bar when standard error is a terminal and there are several."""
    if not sys.stderr.isatty() or quiet() or total < 2:
        yield from items
        return
    from tqdm import tqdm

    with tqdm(items, total=total, unit=unit, file=sys.stderr, dynamic_ncols=True) as bar:
        yield from bar


class Share:
    """A bar of how much is done of one thing, on a terminal alone; below that of all of them."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, done: float, what: str) -> None:
        """Move the bar to a share in [0, 1]; at 1 it goes."""
        if not sys.stderr.isatty() or quiet():
            return
        if done >= 1:
            if self._bar is not None:
                self._bar.close()
            self._bar = None
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=1.0, file=sys.stderr, dynamic_ncols=True, leave=False,
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}",
            )  # fmt: skip
        self._bar.set_description_str(what, refresh=False)
        self._bar.n = done
        self._bar.refresh()


@contextmanager
def transfer(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar of bytes, for downloads; silent where there is no terminal."""
    if not sys.stderr.isatty() or quiet():
        yield _ignore
        return
    from tqdm import tqdm

    with tqdm(desc=title, unit="B", unit_scale=True, file=sys.stderr, delay=0.1) as bar:

        def update(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield update


def _ignore(done: int, total: int | None) -> None:
    """No terminal, no bar."""


def drop_stdout() -> None:
    """Its reader or its disk has gone; keep the interpreter from complaining when it flushes it."""
    if sys.stdout is None:  # it never was there
        return
    with suppress(OSError):  # it may be none of the system's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(result: dict[str, Any]) -> None:
    """One result on standard output, as one line of JSON."""
    import msgspec

    click.echo(msgspec.json.encode(result).decode())
