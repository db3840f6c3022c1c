"""Who writes into a folder: any number of one recipe, or one who changes what it holds.

Locks are the system's own, so that they end with their process, however it ends. Where a file
system has none, everybody is believed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from graf_cli.errors import OutputError
from graf_cli.output.store import byte_lock
from graf_cli.output.store.atomic import NEW, explained, make_folder, sweep

if sys.platform != "win32":
    import fcntl

LOCK = ".graf-lock"
ASSEMBLY = ".graf-assembly"  # the lock of whoever makes one file of what lies in a folder
BEGINNING = ".graf-begin"  # the lock of whoever looks at a folder to see whether it may have it
TRIES = 100  # how often a folder may go before it is locked


class FolderLock:
    """A share in a folder, from when it is made until it is released.

    Parameters
    ----------
    folder : Path
        Is there.
    name : str
        Of the lock's file, which is hidden and goes with the last who holds it.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """

    def __init__(self, folder: Path, name: str = LOCK) -> None:
        self.path = folder / name
        self._descriptor = -1
        self._bytes = None if byte_lock.SYSTEM is None else byte_lock.ByteLock(byte_lock.SYSTEM)

    def share(self) -> Self:
        """Work beside others of the same recipe; waits while somebody changes the folder."""
        self._hold(exclusive=False, wait=True)
        return self

    def alone(self, *, wait: bool = False) -> bool:
        """Keep everybody else out; whether that could be had. What dead jobs left is removed."""
        return self._hold(exclusive=True, wait=wait)

    def release(self) -> None:
        """Let go; the last one removes the lock, and what jobs that died have left."""
        if self._descriptor < 0:
            return
        last = False
        with suppress(OSError):
            last = self._lock(exclusive=True, wait=False) and self._current()
            if last:
                if self.path.name == LOCK:
                    sweep(self.path.parent, NEW)
                if self._bytes is None:
                    self.path.unlink(missing_ok=True)
        self._close()
        if last and self._bytes is not None:
            # Windows removes no file that is open: not ours before, not one that is another's now.
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def _hold(self, *, exclusive: bool, wait: bool) -> bool:
        while True:
            if self._descriptor < 0:
                with explained(self.path.parent):
                    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
                    self._descriptor = os.open(self.path, flags, 0o666)
            if not self._lock(exclusive=exclusive, wait=wait):
                return False
            if self._current():
                return True
            self._close()  # the last one before us has removed it meanwhile

    def _lock(self, *, exclusive: bool, wait: bool) -> bool:
        try:
            if self._bytes is not None:
                return self._bytes.take(self._descriptor, exclusive=exclusive, wait=wait)
            if sys.platform != "win32":
                kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
                fcntl.flock(self._descriptor, kind | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def _current(self) -> bool:
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        return False

    def _close(self) -> None:
        if self._bytes is not None:
            with suppress(OSError):
                self._bytes.let_go(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1


def locked(folder: Path, name: str = LOCK, *, alone: bool = False) -> FolderLock:
    """A share in a folder, which is made when it is not there; or all of it, when that can be had.

    Others may remove it as long as it is empty and not locked, even just after it was made.

    Raises
    ------
    OutputError
        When the folder cannot be made or written.
    """
    lock = FolderLock(folder, name)
    for left in reversed(range(TRIES)):
        with explained(folder):
            make_folder(folder)
        try:
            if alone:
                lock.alone(wait=True)
            else:
                lock.share()
        except OutputError as error:
            if not left or not isinstance(error.__cause__, FileNotFoundError):
                raise
        else:
            break
    return lock


def vacate(folder: Path) -> None:
    """Remove a folder that nobody needs any longer, unless somebody still has a share in it."""
    lock = FolderLock(folder)
    with suppress(OutputError):  # it is gone
        if lock.alone():
            shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        with suppress(OSError):  # on Windows the lock was in it until now; else it is gone
            folder.rmdir()


@contextmanager
def one_begins(folder: Path) -> Iterator[None]:
    """Keep others waiting who begin, too, so that of two of one recipe the second finds it there.

    Raises
    ------
    OutputError
        When the folder cannot be made or written.
    """
    lock = locked(folder, BEGINNING, alone=True)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait for whoever else makes a file of what lies in a folder, and keep others waiting.

    Raises
    ------
    OutputError
        When the folder is gone.
    """
    lock = FolderLock(folder, ASSEMBLY)
    try:
        lock.alone(wait=True)
        yield
    finally:
        lock.release()
