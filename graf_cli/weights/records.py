"""What a pickle of whole objects becomes when nothing of it is built: inert records and numbers.

Tensors stay in the file until they are asked for, so that a file of several networks costs the
memory of the one that is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

MAX_AXES = 8  # of a tensor; weights of convolutions have 4
MAX_DEPTH = 64  # of records within each other; a generator's are 11 deep
MAX_ITEMS = 1 << 20  # of the tree, each item counted as often as it is reached; measured: 60,000


class UnsafeFileError(ValueError):
    """A file does what no checkpoint needs to; the message goes on from "it"."""


@dataclass(frozen=True)
class ItemType:
    """How one number is stored.

    Attributes
    ----------
    name : str
        As PyTorch calls it.
    stored : numpy.dtype
        Little-endian; bfloat16, which NumPy lacks, as the upper half of a float32.
    """

    name: str
    stored: np.dtype[Any]


ITEM_TYPES = {
    "DoubleStorage": ItemType("float64", np.dtype("<f8")),
    "FloatStorage": ItemType("float32", np.dtype("<f4")),
    "HalfStorage": ItemType("float16", np.dtype("<f2")),
    "BFloat16Storage": ItemType("bfloat16", np.dtype("<u2")),
    "LongStorage": ItemType("int64", np.dtype("<i8")),
    "IntStorage": ItemType("int32", np.dtype("<i4")),
    "ShortStorage": ItemType("int16", np.dtype("<i2")),
    "CharStorage": ItemType("int8", np.dtype("i1")),
    "ByteStorage": ItemType("uint8", np.dtype("u1")),
    "BoolStorage": ItemType("bool", np.dtype("?")),
}


@dataclass(frozen=True)
class Span:
    """Bytes of a file that have not been read.

    Attributes
    ----------
    start, length : int
        Bytes.
    """

    start: int
    length: int


class Source:
    """A file's bytes by their places; a place beyond its end is an error, never a short answer.

    Parameters
    ----------
    stream : BinaryIO
        Seekable; has to stay open for as long as tensors are read.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.size = stream.seek(0, 2)

    def read(self, span: Span) -> bytes:
        """The bytes of a span."""
        self._go_to(span)
        data = self.stream.read(span.length)
        if len(data) != span.length:
            raise UnsafeFileError("ends before what it announces")
        return data

    def read_array(self, span: Span, dtype: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]]:
        """The numbers of a span, straight into the array that holds them."""
        self._go_to(span)
        array = np.empty(span.length // dtype.itemsize, dtype=dtype)
        # `readinto` may stop early on streams that are not plain files
        view, done = array.view("u1").data, 0
        while done < len(view):
            count = self.stream.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                raise UnsafeFileError("ends before what it announces")
            done += count
        return array

    def _go_to(self, span: Span) -> None:
        if span.start < 0 or span.length < 0 or span.start + span.length > self.size:
            raise UnsafeFileError("ends before what it announces")
        self.stream.seek(span.start)


@dataclass(eq=False)
class Storage:
    """Numbers in a row, in the file.

    Attributes
    ----------
    source : Source
    item : ItemType
    count : int
        Numbers.
    start : int or None
        Where the first one lies, in bytes; None until it is known.
    """

    source: Source
    item: ItemType
    count: int
    start: int | None = None

    @property
    def length(self) -> int:
        """Bytes."""
        return self.count * self.item.stored.itemsize


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor that is still in its file.

    Attributes
    ----------
    storage : Storage
    offset : int
        Numbers of the storage before the first.
    shape, strides : tuple of int
        Strides in numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.strides)
        bad = len(self.shape) > MAX_AXES or len(self.shape) != len(self.strides)
        if bad or any(number < 0 for number in numbers):
            raise UnsafeFileError("gives a tensor a shape that is none")
        # The second bound keeps strides of zero from making much out of little.
        if self.offset + self._extent > self.storage.count or self.size > self.storage.count:
            raise UnsafeFileError("describes a tensor that is larger than its storage")

    @property
    def dtype(self) -> str:
        """As PyTorch calls it."""
        return self.storage.item.name

    @property
    def size(self) -> int:
        """Numbers."""
        return math.prod(self.shape)

    @property
    def _extent(self) -> int:
        """Numbers of the storage between the first and the last, both included."""
        if not self.size:
            return 0
        return 1 + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))

    def read(self) -> np.ndarray[Any, np.dtype[Any]]:
        """The numbers, in C order and memory of their own; bfloat16 as float32."""
        item = self.storage.item
        if self.storage.start is None:
            raise UnsafeFileError("does not say where a tensor's numbers are")
        width = item.stored.itemsize
        span = Span(self.storage.start + self.offset * width, self._extent * width)
        row = self.storage.source.read_array(span, item.stored)
        steps = tuple(step * width for step in self.strides)
        array = np.ascontiguousarray(np.lib.stride_tricks.as_strided(row, self.shape, steps))
        array = array.reshape(self.shape)  # `ascontiguousarray` makes a number a row
        if item.name == "bfloat16":
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array


@dataclass(eq=False)
class Record:
    """An object that was not made.

    Attributes
    ----------
    name : str
        Of its class.
    state : dict
        Of its attributes.
    """

    name: str
    state: dict[object, object] = field(default_factory=dict)


def check_tree(root: object) -> None:
    """Refuse what a walk over records would not come back from.

    Raises
    ------
    UnsafeFileError
        When something contains itself, lies deeper than `MAX_DEPTH`, or has more than `MAX_ITEMS`
        items, where what is met twice counts twice.
    """
    # By identity; `None` while a container's items are being walked.
    sizes: dict[int, tuple[int, int] | None] = {}
    pending = [(root, False)]
    while pending:
        item, left = pending.pop()
        if left:
            sizes[id(item)] = _measured(item, sizes)
        elif id(item) not in sizes:
            sizes[id(item)] = None
            pending.append((item, True))
            pending.extend((child, False) for child in _children(item) if _is_container(child))
        elif sizes[id(item)] is None:
            raise UnsafeFileError("contains something that contains itself")


def _measured(item: object, sizes: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    depth, count = 0, 1
    for child in _children(item):
        below = sizes[id(child)] if _is_container(child) else (0, 1)
        if below is None:
            raise UnsafeFileError("contains something that contains itself")
        depth, count = max(depth, below[0]), count + below[1]
    if depth >= MAX_DEPTH:
        raise UnsafeFileError("is nested deeper than a checkpoint is")
    if count > MAX_ITEMS:
        raise UnsafeFileError("describes more than a checkpoint has")
    return depth + 1, count


def _is_container(item: object) -> bool:
    return isinstance(item, dict | list | tuple | Record)


def _children(item: object) -> Iterator[object]:
    match item:
        case Record():
            yield item.state
        case dict():
            yield from item.values()
        case list() | tuple():
            yield from item
