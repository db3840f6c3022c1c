"""Shared and exclusive locks where a system has only exclusive ones of a file's bytes: Windows.

Who shares holds one byte of many, who is alone holds all of them. The system lets go of them when
their process ends, however it ends.
"""

from __future__ import annotations

import os
import random
import sys
import time
from typing import Protocol

SHARES = 1 << 16  # bytes: two sharers meet at one in 65,536, and the second tries another
TRIES = 16  # bytes that a sharer tries before it believes that somebody has them all
POLL = 0.05  # seconds between two looks; Windows has no call that waits for as long as it takes


class Locking(Protocol):
    """What the system can do; bytes need not be there to be locked."""

    def lock(self, descriptor: int, first: int, count: int) -> None:
        """Take bytes of an open file at once, or raise PermissionError when one is taken."""

    def unlock(self, descriptor: int, first: int, count: int) -> None:
        """Let go of what `lock` took with the same arguments."""


class ByteLock:
    """What one open file holds of the bytes.

    Parameters
    ----------
    system : Locking
    """

    def __init__(self, system: Locking) -> None:
        self._system = system
        self._held: tuple[int, int] | None = None

    def take(self, descriptor: int, *, exclusive: bool, wait: bool) -> bool:
        """Hold one byte or all, instead of what is held; whether that could be had.

        Raises
        ------
        OSError
            When the file system has no locks.
        """
        self.let_go(descriptor)
        while not self._try(descriptor, exclusive=exclusive):
            if not wait:
                return False
            time.sleep(POLL)
        return True

    def let_go(self, descriptor: int) -> None:
        """Hold nothing."""
        if self._held is not None:
            self._system.unlock(descriptor, *self._held)
            self._held = None

    def _try(self, descriptor: int, *, exclusive: bool) -> bool:
        for _ in range(1 if exclusive else TRIES):
            first = 0 if exclusive else random.randrange(SHARES)  # noqa: S311 - any will do
            wanted = (first, SHARES if exclusive else 1)
            try:
                self._system.lock(descriptor, *wanted)
            except PermissionError:
                continue
            self._held = wanted
            return True
        return False


if sys.platform == "win32":
    import msvcrt

    class Windows:
        """The locks of the C library, which begin where the file is read next."""

        def lock(self, descriptor: int, first: int, count: int) -> None:
            """As `Locking`."""
            os.lseek(descriptor, first, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, count)

        def unlock(self, descriptor: int, first: int, count: int) -> None:
            """As `Locking`."""
            os.lseek(descriptor, first, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, count)

    SYSTEM: Locking | None = Windows()
else:
    SYSTEM: Locking | None = None  # it has better ones
