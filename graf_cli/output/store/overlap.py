"""Writing on a second thread, so that a frame is encoded while the next one renders."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from graf_cli.output.store.sink import Sink

WAITING = 1  # frames held for the writer, beside the one it writes
PATIENCE = 2.0  # seconds that a writer which was told to stop is waited for


class Overlapped:
    """Writes to an open sink, returning at once; memory holds two frames at the most.

    The caller stays on the main thread, where ^C arrives; a failure of the writer is raised by
    the next `put`, or at the end.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._frames: queue.Queue[tuple[int, Any] | None] = queue.Queue(WAITING)
        self._failure: BaseException | None = None
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name="graf-writer", daemon=True)

    def put(self, k: int, frame: Any) -> None:
        """Hand over picture `k`; waits while the writer is two frames behind."""
        self._raise_failure()
        self._frames.put((k, frame))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._give_up()
            return
        try:
            self._frames.put(None)
            self._thread.join()
        except BaseException:  # ^C while the last frames are written
            self._give_up()
            raise
        self._raise_failure()

    def _give_up(self) -> None:
        """End the thread: what waits is dropped, what is being written is cut short.

        A write that nothing cuts short, to a pipe whose reader sleeps, is left behind; the thread
        dies with the program.
        """
        self._given_up = True
        self.sink.interrupt()
        with suppress(queue.Empty):
            self._frames.get_nowait()
        with suppress(queue.Full):
            self._frames.put_nowait(None)
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        """After a failure frames are still taken, so that nobody waits for ever."""
        while (picture := self._frames.get()) is not None:
            if self._failure is None and not self._given_up:
                try:
                    self.sink.put(*picture)
                except BaseException as failure:  # raised again on the caller's thread
                    self._failure = failure

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
