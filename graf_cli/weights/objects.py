"""Pickles of whole objects, read as data.

A pickle is a program. `Machine` runs it with instructions that can only push, collect and name
things. It imports nothing, looks no name up and calls nothing: a name means what the caller's
table says, which is an inert record, and every other name is refused. Numbers stay in the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from graf_cli.weights.records import (
    ITEM_TYPES,
    ItemType,
    Record,
    Source,
    Span,
    Storage,
    StoredTensor,
    UnsafeFileError,
    check_tree,
)

MAX_INSTRUCTIONS = 1 << 18  # of one file; three networks of EG3D with their storages take 80,000
MAX_STRING = 1 << 20  # bytes; the longest measured is a source text of 40,416
MAX_MARKS = 64  # open at once; measured: 19
MAX_NAME = 256  # bytes of a line that names something
MAX_INTEGER = 16  # bytes; PyTorch's magic number has 10
WINDOW = 1 << 14  # bytes read at once
PERSISTENT_VERSION = 6  # the only one that the family of StyleGAN2-ADA has ever written


class _Call(Enum):
    """What a name makes when it is called."""

    ORDERED_DICT = auto()
    SET = auto()
    TENSOR = auto()
    PARAMETER = auto()
    STREAM = auto()
    DEVICE = auto()
    DTYPE = auto()
    SCALAR = auto()
    BYTES = auto()


@dataclass(frozen=True)
class _Class:
    """A class that is made without arguments and then given its state."""

    name: str


@dataclass(frozen=True)
class _DictClass:
    """A dictionary by another name."""


@dataclass(frozen=True)
class _Persistence:
    """The function that would run source text out of the file."""

    classes: frozenset[str]


_Name = _Call | _Class | _DictClass | _Persistence | ItemType

_KNOWN: dict[str, _Name] = {
    "collections.OrderedDict": _Call.ORDERED_DICT,
    "__builtin__.set": _Call.SET,
    "builtins.set": _Call.SET,
    "torch._utils._rebuild_tensor": _Call.TENSOR,
    "torch._utils._rebuild_tensor_v2": _Call.TENSOR,
    "torch._utils._rebuild_parameter": _Call.PARAMETER,
    "torch.storage._load_from_bytes": _Call.STREAM,
    "torch.device": _Call.DEVICE,
    "numpy.dtype": _Call.DTYPE,
    "numpy.core.multiarray.scalar": _Call.SCALAR,
    "numpy._core.multiarray.scalar": _Call.SCALAR,
    "_codecs.encode": _Call.BYTES,
    **{f"torch.{name}": item for name, item in ITEM_TYPES.items()},
}
_SCALARS = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i"}


@dataclass(frozen=True)
class Names:
    """What else than tensors a family's files may name.

    Attributes
    ----------
    classes : frozenset of str
        Full names of classes that are made without arguments and given their state.
    dicts : frozenset of str
        Full names of classes that are dictionaries.
    persistence : str or None
        Full name of the function that makes an object from one dictionary, as StyleGAN2-ADA's
        files have it; the source text in there is never run.
    persistent : frozenset of str
        Names of the classes that it may make.
    """

    classes: frozenset[str] = frozenset()
    dicts: frozenset[str] = frozenset()
    persistence: str | None = None
    persistent: frozenset[str] = frozenset()

    @property
    def table(self) -> Mapping[str, object]:
        """Every name that the machine knows."""
        table: dict[str, _Name] = dict(_KNOWN)
        table |= {name: _Class(name.rpartition(".")[2]) for name in self.classes}
        table |= {name: _DictClass() for name in self.dicts}
        if self.persistence is not None:
            table[self.persistence] = _Persistence(self.persistent)
        return table


class Limit:
    """Instructions that are left to all pickles of one file."""

    def __init__(self, instructions: int = MAX_INSTRUCTIONS) -> None:
        self.left = instructions

    def take(self) -> None:
        """Take one."""
        self.left -= 1
        if self.left < 0:
            raise UnsafeFileError("describes more than a checkpoint has")


class Cursor:
    """A place in a file that moves on as it is read, up to an end.

    Parameters
    ----------
    source : Source
    start, end : int
        Bytes.
    """

    def __init__(self, source: Source, start: int, end: int) -> None:
        self.source, self.at, self.end = source, start, end
        self._base, self._window = start, b""

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self._need(count)
        first = self.at - self._base
        if first + count > len(self._window):
            length = max(count, min(WINDOW, self.end - self.at))
            self._window = self.source.read(Span(self.at, length))
            self._base, first = self.at, 0
        self.at += count
        return self._window[first : first + count]

    def skip(self, count: int) -> Span:
        """The next bytes, unread."""
        self._need(count)
        span = Span(self.at, count)
        self.at += count
        if self.at > self._base + len(self._window):
            self._base, self._window = self.at, b""
        return span

    def unsigned(self, count: int) -> int:
        """A number of `count` bytes, little-endian."""
        return int.from_bytes(self.take(count), "little")

    def line(self) -> str:
        """Up to the next line feed."""
        found = bytearray()
        while (byte := self.take(1)) != b"\n":
            found += byte
            if len(found) > MAX_NAME:
                raise UnsafeFileError("has a name that is longer than names are")
        return found.decode()

    def text(self, count: int) -> str:
        """A string of `count` bytes."""
        if count > MAX_STRING:
            raise UnsafeFileError("has a string that is longer than a checkpoint's are")
        return self.take(count).decode("utf-8", "surrogatepass")

    def _need(self, count: int) -> None:
        if count > self.end - self.at:
            raise UnsafeFileError("ends before what it announces")


class _Ordered(dict[object, object]):
    """A dictionary that may be given a state, of which nothing is needed."""


@dataclass
class _Dtype:
    code: str
    built: bool = False


@dataclass
class Machine:
    """Runs one pickle.

    Attributes
    ----------
    table : mapping
        From `Names.table`.
    persistent : callable
        The record of a persistent id, a tuple; raises `UnsafeFileError` for one that it does not
        know.
    nested : callable or None
        The storage that a whole `torch.save` stream within the file holds.
    limit : Limit
    """

    table: Mapping[str, object]
    persistent: Callable[[tuple[object, ...]], object]
    nested: Callable[[Span], Storage] | None
    limit: Limit
    _stack: list[object] = field(default_factory=list)
    _outer: list[list[object]] = field(default_factory=list)  # stacks set aside at each mark
    _memo: dict[int, object] = field(default_factory=dict)
    _source: Source | None = None

    def run(self, cursor: Cursor) -> object:
        """Run the pickle that begins at the cursor, and leave the cursor behind it.

        Returns
        -------
        object
            None, truth values, numbers, strings, bytes and spans of them; tuples, lists, sets and
            dictionaries; records and stored tensors.

        Raises
        ------
        UnsafeFileError
            When it does what no checkpoint needs to.
        ValueError, LookupError, TypeError
            When it is not a pickle.
        """
        self._source = cursor.source
        while (code := cursor.take(1)) != b".":
            self.limit.take()
            if code not in _INSTRUCTIONS:
                raise UnsafeFileError(f"uses the instruction {code!r} of pickles")
            _INSTRUCTIONS[code](self, cursor)
        if len(self._stack) != 1 or self._outer:
            raise UnsafeFileError("leaves something unfinished")
        check_tree(self._stack[0])
        return self._stack[0]

    def push(self, value: object) -> None:
        """Push a value."""
        self._stack.append(value)

    def mark(self) -> None:
        """Set the stack aside."""
        if len(self._outer) == MAX_MARKS:
            raise UnsafeFileError("is nested deeper than a checkpoint is")
        self._outer.append(self._stack)
        self._stack = []

    def since_mark(self) -> list[object]:
        """Pop all since the mark."""
        items, self._stack = self._stack, self._outer.pop()
        return items

    def last(self, count: int) -> list[object]:
        """Pop some values, the deepest first."""
        return [self._stack.pop() for _ in range(count)][::-1]

    def remember(self, index: int | None = None) -> None:
        """Note the top; without an index under the next one."""
        self._memo[len(self._memo) if index is None else index] = self._stack[-1]

    def recall(self, index: int) -> None:
        """Push what was noted."""
        self._stack.append(self._memo[index])

    def look_up(self, module: object, name: object) -> None:
        """Push what the table says of a name."""
        full = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else ""
        # A dot in the second half would be an attribute's attribute.
        if full not in self.table or "." in str(name):
            shown = full if full.isprintable() and len(full) <= MAX_NAME else "what has no name"
            raise UnsafeFileError(f"asks for `{shown}`")
        self._stack.append(self.table[full])

    def refer(self) -> None:
        """Replace a persistent id by its record."""
        key = self._stack.pop()
        if not isinstance(key, tuple):
            raise UnsafeFileError("refers to something in a way of its own")
        self._stack.append(self.persistent(key))

    def make(self) -> None:
        """Replace a class and no arguments by an empty record."""
        made, arguments = self.last(2)
        match made, arguments:
            case _Class(name), ():
                self._stack.append(Record(name))
            case _DictClass(), ():
                self._stack.append(_Ordered())
            case _:
                raise UnsafeFileError("makes an object in a way of its own")

    def call(self) -> None:
        """Replace a function and its arguments by a record of what it would make."""
        function, arguments = self.last(2)
        if not isinstance(arguments, tuple):
            raise UnsafeFileError("makes an object in a way of its own")
        if isinstance(function, _Persistence):
            self._stack.append(_persistent(function, arguments))
        elif isinstance(function, _Call):
            self._stack.append(self._called(function, arguments))
        else:
            raise UnsafeFileError("makes an object in a way of its own")

    def _called(self, function: _Call, arguments: tuple[object, ...]) -> object:
        made: object
        match function, arguments:
            case _Call.ORDERED_DICT, ():
                made = _Ordered()
            case _Call.SET, (list(items),):
                made = _names(items)
            case _Call.TENSOR, (
                Storage() as storage,
                int(offset),
                tuple(shape),
                tuple(steps),
                *rest,
            ):
                _check_rest(rest)
                made = StoredTensor(storage, offset, _integers(shape), _integers(steps))
            case _Call.PARAMETER, (StoredTensor() as tensor, bool(), dict(hooks)) if not hooks:
                made = tensor
            case _Call.STREAM, (Span() as span,) if self.nested is not None:
                made = self.nested(span)
            case _Call.DEVICE, (str(kind), *index) if len(index) < 2:
                made = ":".join([kind, *(str(number) for number in _integers(tuple(index)))])
            case _Call.DTYPE, (str(code), int(), int()) if code in _SCALARS:
                made = _Dtype(code)
            case _Call.BYTES, (str(text), "latin1"):
                made = text.encode("latin1")
            case _Call.SCALAR, (_Dtype(code, True), bytes() | Span() as data):
                made = struct.unpack(_SCALARS[code], self._few_bytes(data))[0]
            case _:
                raise UnsafeFileError("makes an object in a way of its own")
        return made

    def _few_bytes(self, data: bytes | Span) -> bytes:
        if isinstance(data, bytes):
            return data
        if self._source is None or data.length > MAX_INTEGER:
            raise UnsafeFileError("has a number that is longer than a checkpoint's are")
        return self._source.read(data)

    def build(self) -> None:
        """Give the object below the top its state."""
        state = self._stack.pop()
        match self._stack[-1], state:
            case Record() as record, dict(found) if not record.state:
                if not all(isinstance(key, str) for key in found):
                    raise UnsafeFileError("names an attribute by what is not a name")
                record.state = found
            case _Ordered(), dict(found) if found.keys() <= {"_metadata"}:
                pass  # versions of PyTorch's modules, which state dicts carry
            case _Dtype() as dtype, (3, "<", None, None, None, -1, -1, 0):
                dtype.built = True
            case _:
                raise UnsafeFileError("gives an object a state of its own")

    def append(self, items: list[object]) -> None:
        """Extend the list on top."""
        target = self._stack[-1]
        if not isinstance(target, list):
            raise UnsafeFileError("appends to what is not a list")
        target.extend(items)

    def add(self, items: list[object]) -> None:
        """Extend the set on top."""
        target = self._stack[-1]
        if not isinstance(target, set):
            raise UnsafeFileError("adds to what is not a set")
        target.update(_names(items))

    def set_items(self, items: list[object]) -> None:
        """Update the dictionary on top with keys and values in turn."""
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise UnsafeFileError("sets an item of what is not a dictionary")
        # A key is hashed, which can take for ever when it is a tuple of tuples of tuples.
        if not all(isinstance(key, str | int) for key in items[::2]):
            raise UnsafeFileError("has a key that is neither a name nor a number")
        target.update(zip(items[::2], items[1::2], strict=True))


def _persistent(function: _Persistence, arguments: tuple[object, ...]) -> Record:
    match arguments:
        case (dict(found),) if found.keys() == {
            "type", "version", "module_src", "class_name", "state"
        }:  # fmt: skip
            pass
        case _:
            raise UnsafeFileError("makes an object in a way of its own")
    name, state = found["class_name"], found["state"]
    if found["type"] != "class" or found["version"] != PERSISTENT_VERSION:
        raise UnsafeFileError("holds a persistent object of a version that is not known")
    if not isinstance(name, str) or name not in function.classes:
        raise UnsafeFileError("holds a persistent object of a class that is not known")
    if not isinstance(state, dict) or not isinstance(found["module_src"], str):
        raise UnsafeFileError("makes an object in a way of its own")
    return Record(name, state)


def _check_rest(rest: list[object]) -> None:
    """Whether gradients are wanted, hooks, and metadata: nothing that could be needed."""
    match rest:
        case []:
            return
        case [bool(), dict(hooks), *more] if not hooks and more in ([], [None]):
            return
    raise UnsafeFileError("makes an object in a way of its own")


def _integers(items: tuple[object, ...]) -> tuple[int, ...]:
    found = tuple(item for item in items if isinstance(item, int))
    if len(found) != len(items):
        raise UnsafeFileError("gives a tensor a shape that is none")
    return found


def _names(items: list[object]) -> set[str]:
    found = {item for item in items if isinstance(item, str)}
    if not all(isinstance(item, str) for item in items):
        raise UnsafeFileError("has a set of other things than names")
    return found


def _integer(cursor: Cursor) -> int:
    length = cursor.unsigned(1)
    if length > MAX_INTEGER:
        raise UnsafeFileError("has a number that is longer than a checkpoint's are")
    return int.from_bytes(cursor.take(length), "little", signed=True)


def _pass_over(cursor: Cursor, count: int) -> None:
    cursor.take(count)


def _signed(cursor: Cursor) -> int:
    return int.from_bytes(cursor.take(4), "little", signed=True)


def _real(cursor: Cursor) -> float:
    return float(struct.unpack(">d", cursor.take(8))[0])


_INSTRUCTIONS: dict[bytes, Callable[[Machine, Cursor], None]] = {
    b"\x80": lambda _, cursor: _pass_over(cursor, 1),  # the protocol, which says nothing more
    b"\x95": lambda _, cursor: _pass_over(cursor, 8),  # the length of a frame, likewise
    b"N": lambda machine, _: machine.push(None),
    b"\x88": lambda machine, _: machine.push(True),
    b"\x89": lambda machine, _: machine.push(False),
    b"J": lambda machine, cursor: machine.push(_signed(cursor)),
    b"K": lambda machine, cursor: machine.push(cursor.unsigned(1)),
    b"M": lambda machine, cursor: machine.push(cursor.unsigned(2)),
    b"\x8a": lambda machine, cursor: machine.push(_integer(cursor)),
    b"G": lambda machine, cursor: machine.push(_real(cursor)),
    b"X": lambda machine, cursor: machine.push(cursor.text(cursor.unsigned(4))),
    b"\x8c": lambda machine, cursor: machine.push(cursor.text(cursor.unsigned(1))),
    b"B": lambda machine, cursor: machine.push(cursor.skip(cursor.unsigned(4))),
    b"C": lambda machine, cursor: machine.push(cursor.skip(cursor.unsigned(1))),
    b"}": lambda machine, _: machine.push({}),
    b"]": lambda machine, _: machine.push([]),
    b"\x8f": lambda machine, _: machine.push(_names([])),
    b")": lambda machine, _: machine.push(()),
    b"\x85": lambda machine, _: machine.push(tuple(machine.last(1))),
    b"\x86": lambda machine, _: machine.push(tuple(machine.last(2))),
    b"\x87": lambda machine, _: machine.push(tuple(machine.last(3))),
    b"t": lambda machine, _: machine.push(tuple(machine.since_mark())),
    b"a": lambda machine, _: machine.append(machine.last(1)),
    b"e": lambda machine, _: machine.append(machine.since_mark()),
    b"\x90": lambda machine, _: machine.add(machine.since_mark()),
    b"s": lambda machine, _: machine.set_items(machine.last(2)),
    b"u": lambda machine, _: machine.set_items(machine.since_mark()),
    b"(": lambda machine, _: machine.mark(),
    b"\x94": lambda machine, _: machine.remember(),
    b"q": lambda machine, cursor: machine.remember(cursor.unsigned(1)),
    b"r": lambda machine, cursor: machine.remember(cursor.unsigned(4)),
    b"h": lambda machine, cursor: machine.recall(cursor.unsigned(1)),
    b"j": lambda machine, cursor: machine.recall(cursor.unsigned(4)),
    b"c": lambda machine, cursor: machine.look_up(cursor.line(), cursor.line()),
    b"\x93": lambda machine, _: machine.look_up(*machine.last(2)),
    b"Q": lambda machine, _: machine.refer(),
    b"\x81": lambda machine, _: machine.make(),
    b"R": lambda machine, _: machine.call(),
    b"b": lambda machine, _: machine.build(),
}
