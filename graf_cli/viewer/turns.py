"""Whose turn it is to render: one renderer, shared fairly by the pages that want something of it.

A page has a line of its own, in which what is newer replaces what is older of the same kind. Of
the pages that want something, the one that was rendered for the least so far comes next; one that
had nothing to do for a while is not owed that time. What a person waits for while moving
something comes before all else of the same page, and may break into the picture of another page,
which is begun again: but each picture only `PATIENCE` times, so that every one is made in the end.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from graf_cli.rendering.threads import CancelledError, until

PATIENCE = 3  # times that a picture is begun again for the sake of another page
ENDING = 5.0  # seconds in which what renders notices the end; it does not keep the program
URGENT = 0  # the level of what is wanted while something moves
SHORT = 1  # that of what the same page waits for even then, since it soon needs it

log = logging.getLogger("graf")


@dataclass(eq=False)
class Task:
    """Something to render.

    Attributes
    ----------
    owner : str
        Whose time it takes.
    kind : str
        A newer one of the same kind takes its place.
    level : int
        Which of an owner's comes first: `URGENT`, then more.
    run : callable
    failed : callable
        Is told the error of `run`, on the renderer's thread.
    ended : threading.Event
        Set when it is done, failed, or was given up.
    """

    owner: str
    kind: str
    level: int
    run: Callable[[], None]
    failed: Callable[[Exception], None]
    order: int = 0
    given_up: bool = False
    yielded: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def give_up(self) -> None:
        """Nobody wants it any more."""
        self.given_up = True
        self.cancelled.set()
        self.ended.set()


class Turns:
    """The renderer's thread, and who waits for it."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], Task] = {}
        self._spent: dict[str, float] = {}  # seconds, by owner
        self._running: Task | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._order = itertools.count()
        self._thread = threading.Thread(target=self._serve, name="graf-renderer", daemon=True)

    def put(
        self,
        owner: str,
        kind: str,
        run: Callable[[], None],
        failed: Callable[[Exception], None],
        level: int = 1,
    ) -> Task:
        """Ask for something to be rendered; it replaces what `owner` asked of that `kind`."""
        task = Task(owner, kind, level, run, failed)
        with self._changed:
            self._forget(owner, kind)
            if self._closed:
                task.give_up()
                return task
            task.order = next(self._order)
            if owner not in {other for other, _ in self._waiting} and not self._runs(owner):
                active = (self._spent.get(other, 0.0) for other in self._active())
                least = min(active, default=0.0)
                self._spent[owner] = max(self._spent.get(owner, 0.0), least)
            self._waiting[owner, kind] = task
            if self._thread.ident is None:
                self._thread.start()
            self._break_in(task)
            self._changed.notify_all()
        return task

    def _runs(self, owner: str) -> bool:
        return self._running is not None and self._running.owner == owner

    def _active(self) -> set[str]:
        running = {self._running.owner} if self._running is not None else set()
        return {owner for owner, _ in self._waiting} | running

    def _break_in(self, task: Task) -> None:
        """Let what is urgent begin at once."""
        running = self._running
        if running is None or task.level != URGENT or running.level == URGENT:
            return
        own = running.owner == task.owner
        if running.level > SHORT if own else running.yielded < PATIENCE:
            running.cancelled.set()

    def drop(self, owner: str, *kinds: str) -> None:
        """Give up what an owner waits for: all of it, or of some kinds."""
        with self._changed:
            running = [self._running] if self._running is not None else []
            theirs = [task for task in (*self._waiting.values(), *running) if task.owner == owner]
            for kind in {task.kind for task in theirs}:
                if not kinds or kind in kinds:
                    self._forget(owner, kind)
            if not kinds:
                self._spent.pop(owner, None)

    def _forget(self, owner: str, kind: str) -> None:
        old = self._waiting.pop((owner, kind), None)
        if old is not None:
            old.give_up()
        running = self._running
        if running is not None and (running.owner, running.kind) == (owner, kind):
            running.give_up()

    def _next(self) -> Task:
        """The first of the owner that was rendered for the least."""
        owner = min(self._active(), key=lambda one: (self._spent.get(one, 0.0), one))
        theirs = (task for task in self._waiting.values() if task.owner == owner)
        return min(theirs, key=lambda task: (task.level, task.order))

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                task = self._next()
                del self._waiting[task.owner, task.kind]
                self._running = task
            start = time.perf_counter()
            again = self._run(task)
            with self._changed:
                self._running = None
                if task.owner in self._spent:
                    self._spent[task.owner] += time.perf_counter() - start
                if again and (task.owner, task.kind) not in self._waiting and not self._closed:
                    task.yielded += 1
                    task.cancelled.clear()
                    self._waiting[task.owner, task.kind] = task
                elif again or not task.ended.is_set():
                    task.ended.set()

    def _run(self, task: Task) -> bool:
        """Run it; whether it has to be begun again."""
        try:
            if not task.given_up:
                with until(task.cancelled):
                    task.run()
        except CancelledError:
            return not task.given_up
        except Exception as error:
            log.debug("A picture failed.", exc_info=error)
            task.failed(error)
        return False

    def close(self) -> None:
        """Give everything up, and end the thread."""
        with self._changed:
            self._closed = True
            for task in [*self._waiting.values(), *([self._running] if self._running else [])]:
                task.give_up()
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(ENDING)
