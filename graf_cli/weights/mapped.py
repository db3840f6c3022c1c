"""A file whose bytes are read where they lie, for as long as something refers to them."""

from __future__ import annotations

import io
import mmap
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


MUCH = 1 << 14  # bytes read at once from which their pages are let go of


class Mapped(io.RawIOBase):
    """A file in memory's address space; only what is asked for is read.

    Nothing is open meanwhile, so nothing has to be closed: tensors may be read from it at any
    time, even after the file's name is gone.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError
        When the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        with path.open("rb") as stream:
            empty = not stream.seek(0, io.SEEK_END)
            # Nothing can be mapped of an empty file.
            found = b"" if empty else mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self._bytes: bytes | mmap.mmap = found
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a byte counted from the start, from here or from the end."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._bytes)}[whence]
        if origin + offset < 0:
            raise ValueError("there is nothing in front of a file's start")
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a buffer as far as bytes are left; how many there were."""
        target = memoryview(buffer).cast("B")
        with memoryview(self._bytes) as every, every[self._at : self._at + len(target)] as found:
            count = len(found)
            target[:count] = found
        self._forget(self._at, self._at + count)
        self._at += count
        return count

    def _forget(self, start: int, stop: int) -> None:
        """Let go of pages that were read, which would count as this process's memory."""
        if (
            isinstance(self._bytes, bytes)
            or stop - start < MUCH
            or not hasattr(mmap, "MADV_DONTNEED")
        ):
            return
        first = start - start % mmap.PAGESIZE
        with suppress(OSError):  # of systems that do not take the advice
            self._bytes.madvise(mmap.MADV_DONTNEED, first, stop - first)
