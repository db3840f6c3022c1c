"""How a job ends when it is told to: at once, or after the picture in hand."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(BaseException):
    """SIGTERM came: the job ends in order, as on ^C."""


def terminate(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - Python calls it
    """Handle SIGTERM: once is enough."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


class Ending:
    """Whether the job was told to end, and how.

    Attributes
    ----------
    signal : int or None
        That told it.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def asked(self) -> bool:
        """Whether to end after the picture in hand."""
        return self.signal is not None

    def check(self) -> None:
        """End now, when it was asked for."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise Terminated


@contextmanager
def at_once() -> Iterator[Ending]:
    """While the block runs, signals do what they did before: ^C interrupts wherever it is."""
    yield Ending()


@contextmanager
def after_the_picture_in_hand(noted: Callable[[], None]) -> Iterator[Ending]:
    """While the block runs, a first ^C or SIGTERM is only noted; a second one ends at once.

    Parameters
    ----------
    noted : callable
        Called when the first one comes, from within the handler.
    """
    ending = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - Python calls it
        ending.signal = number
        for one, handler in before.items():
            signal.signal(one, handler)
        noted()

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
