"""Standard output as a raw stream whose writes can be cut short."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from typing import TYPE_CHECKING

from graf_cli.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

AT_ONCE = 4096  # bytes that a pipe takes without waiting when it takes anything (PIPE_BUF)
POLL = 0.05  # seconds between looks whether to stop


class Stdout(io.FileIO):
    """Waits for its reader as long as it is not told to stop."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb")
        kind = os.fstat(descriptor).st_mode
        self._waits = os.name == "posix" and (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind))
        self._stopped = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of the data; how much."""
        if not self._waits:
            return super().write(data) or 0
        while not select.select((), (self,), (), POLL)[1]:
            if self._stopped:
                raise InterruptedError("writing was given up")
        return super().write(memoryview(data)[:AT_ONCE]) or 0

    def stop(self) -> None:
        """End a `write` that waits on another thread."""
        self._stopped = True


def standard_output() -> Stdout:
    """Standard output, unbuffered, so that nothing waits for it at the end of the program.

    Raises
    ------
    UsageError
        When it is a terminal.
    """
    if sys.stdout.isatty():
        raise UsageError("⟨out⟩ - writes media, which a terminal cannot show; send it to a pipe.")
    sys.stdout.flush()
    return Stdout(os.dup(sys.stdout.fileno()))
