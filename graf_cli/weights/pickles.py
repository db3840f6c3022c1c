"""What a pickle would make, found out without making any of it.

A pickle is a program. `inspect_pickle` runs it on a machine that has only the few instructions
that a checkpoint needs, and that knows numbers, strings and tuples but holds a mere kind in place
of all else. What a checkpoint has no use for is refused, so that the reader that follows meets
only calls, keys and sizes that are known to be harmless. Beside tensors a file may name what its
family allows: see `Allowed`.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import BinaryIO

MAX_PICKLE = 1 << 20  # bytes; the released files' pickles hold some ten thousand


class UnsafePickleError(ValueError):
    """A pickle does what no checkpoint needs to; the message goes on from "it"."""


class Kind(Enum):
    """What is held in place of an object."""

    DICT = auto()
    LIST = auto()
    ORDERED_DICT = auto()
    TENSOR = auto()
    PARAMETER = auto()
    DTYPE = auto()
    SCALAR = auto()
    BYTES = auto()


@dataclass(frozen=True)
class Function:
    """What a file may call.

    Attributes
    ----------
    makes : Kind
    """

    makes: Kind


@dataclass(frozen=True)
class _StorageType:
    item_bytes: int


@dataclass(frozen=True)
class _Storage:
    items: int


Allowed = Mapping[str, Function]  # by module and name, as a pickle has them: "numpy dtype"

_TENSORS: Mapping[str, Function | _StorageType] = {
    "collections OrderedDict": Function(Kind.ORDERED_DICT),
    "torch._utils _rebuild_tensor": Function(Kind.TENSOR),
    "torch._utils _rebuild_tensor_v2": Function(Kind.TENSOR),
    "torch._utils _rebuild_parameter": Function(Kind.PARAMETER),
    "torch DoubleStorage": _StorageType(8),
    "torch FloatStorage": _StorageType(4),
    "torch HalfStorage": _StorageType(2),
    "torch BFloat16Storage": _StorageType(2),
    "torch LongStorage": _StorageType(8),
    "torch IntStorage": _StorageType(4),
    "torch ShortStorage": _StorageType(2),
    "torch CharStorage": _StorageType(1),
    "torch ByteStorage": _StorageType(1),
    "torch BoolStorage": _StorageType(1),
}

# What a NumPy scalar is pickled as, by version 1 and by later ones.
NUMPY_SCALARS: Allowed = {
    "numpy.core.multiarray scalar": Function(Kind.SCALAR),
    "numpy._core.multiarray scalar": Function(Kind.SCALAR),
    "numpy dtype": Function(Kind.DTYPE),
    "_codecs encode": Function(Kind.BYTES),
}


def inspect_pickle(stream: BinaryIO, announced: dict[str, int], allowed: Allowed) -> None:
    """Run the pickle that begins here, and stop behind it.

    Parameters
    ----------
    stream : BinaryIO
    announced : dict of int
        Is given the bytes of each storage that the pickle refers to.
    allowed : mapping of str to Function
        What it may call beside what tensors are made with.

    Raises
    ------
    UnsafePickleError
        When it does what no checkpoint needs to.
    ValueError, LookupError
        When it is not a pickle.
    """
    start = stream.tell()
    machine = _Machine(announced, {**_TENSORS, **allowed})
    for opcode, argument, position in pickletools.genops(stream):
        if (position or 0) - start > MAX_PICKLE:
            raise UnsafePickleError("describes more than a checkpoint has")
        if opcode.name not in _INSTRUCTIONS:
            raise UnsafePickleError(f"uses the instruction {opcode.name}")
        _INSTRUCTIONS[opcode.name](machine, argument)


@dataclass
class _Machine:
    announced: dict[str, int]
    globals: Mapping[str, Function | _StorageType]
    _stack: list[object] = field(default_factory=list)
    _outer: list[list[object]] = field(default_factory=list)  # stacks set aside at each mark
    _memo: dict[object, object] = field(default_factory=dict)

    def push(self, value: object) -> None:
        self._stack.append(value)

    def mark(self, _: object) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def since_mark(self) -> list[object]:
        items, self._stack = self._stack, self._outer.pop()
        return items

    def last(self, count: int) -> list[object]:
        return [self._stack.pop() for _ in range(count)][::-1]

    def remember(self, index: object) -> None:
        self._memo[index] = self._stack[-1]

    def recall(self, index: object) -> None:
        self._stack.append(self._memo[index])

    def look_up(self, name: object) -> None:
        if name not in self.globals:
            raise UnsafePickleError(f"asks for `{str(name).replace(' ', '.')}`")
        self._stack.append(self.globals[str(name)])

    def refer(self, _: object) -> None:
        match self._stack.pop():
            # A sixth item, where there is one, could make a storage part of another.
            case ("storage", _StorageType(item_bytes), str(key), str(), int(items), *rest) if (
                items >= 0 and rest in ([], [None])
            ):
                size = item_bytes * items
                if self.announced.setdefault(key, size) != size:
                    raise UnsafePickleError("announces two sizes for one storage")
                self._stack.append(_Storage(items))
            case _:
                raise UnsafePickleError("describes a storage in a way of its own")

    def call(self, _: object) -> None:
        function, arguments = self.last(2)
        match function, arguments:
            case Function(Kind.TENSOR), (_Storage(items), int(), tuple(size), *_) if (
                _numel(size) <= items
            ):
                pass
            case Function(Kind.ORDERED_DICT), ():
                pass
            case Function(Kind.PARAMETER), (Kind.TENSOR, bool(), Kind.ORDERED_DICT):
                pass
            case Function(Kind.BYTES), (str(), "latin1"):
                pass
            case Function(Kind.DTYPE), ("f8", int(), int()):
                pass
            case Function(Kind.SCALAR), (Kind.DTYPE, Kind.BYTES):
                pass
            case _:
                raise UnsafePickleError("makes an object in a way of its own")
        self._stack.append(function.makes)

    def build(self, _: object) -> None:
        state = self._stack.pop()
        match self._stack[-1], state:
            case Kind.ORDERED_DICT, Kind.DICT:
                pass
            case Kind.DTYPE, (3, "<", None, None, None, -1, -1, 0):
                pass
            case _:
                raise UnsafePickleError("gives an object a state of its own")

    def append(self, _: list[object]) -> None:
        if self._stack[-1] is not Kind.LIST:
            raise UnsafePickleError("appends to what is not a list")

    def set_items(self, items: list[object]) -> None:
        # A key is hashed, which can take for ever when it is a tuple of tuples of tuples.
        if not all(isinstance(key, str | int) for key in items[::2]):
            raise UnsafePickleError("has a key that is neither a name nor a number")
        if self._stack[-1] not in (Kind.DICT, Kind.ORDERED_DICT):
            raise UnsafePickleError("sets an item of what is not a dictionary")


def _numel(size: tuple[object, ...]) -> int:
    if not all(isinstance(length, int) and length >= 0 for length in size):
        raise UnsafePickleError("gives a tensor a shape that is none")
    return math.prod(length for length in size if isinstance(length, int))


_INSTRUCTIONS: dict[str, Callable[[_Machine, object], None]] = {
    "PROTO": lambda _machine, _: None,
    "STOP": lambda _machine, _: None,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "BININT": _Machine.push,
    "BININT1": _Machine.push,
    "BININT2": _Machine.push,
    "LONG1": _Machine.push,
    "BINFLOAT": _Machine.push,
    "BINUNICODE": _Machine.push,
    "EMPTY_DICT": lambda machine, _: machine.push(Kind.DICT),
    "EMPTY_LIST": lambda machine, _: machine.push(Kind.LIST),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.last(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.last(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.last(3))),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "APPEND": lambda machine, _: machine.append(machine.last(1)),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "MARK": _Machine.mark,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": _Machine.look_up,
    "BINPERSID": _Machine.refer,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}
