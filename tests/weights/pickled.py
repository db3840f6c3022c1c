"""Pickles of objects that need not exist, put together instruction by instruction."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graf_cli.weights.objects import Names

NAMES = Names(
    classes=frozenset({"zoo.cage.Keeper", "torch.nn.modules.container.Sequential"}),
    dicts=frozenset({"zoo.util.EasyDict"}),
    persistence="zoo.persistence.rebuild",
    persistent=frozenset({"Lion", "Mane"}),
)
STORAGE_TYPES = {"<f4": "FloatStorage", "<f2": "HalfStorage", "<i8": "LongStorage"}


@dataclass(frozen=True)
class Named:
    """A name: of a function or a class."""

    module: str
    name: str


@dataclass(frozen=True)
class Called:
    """What a call of a name with arguments gives."""

    function: Any
    arguments: Any


@dataclass(frozen=True)
class New:
    """An object that is made without arguments and given a state."""

    made: Any
    state: Any


@dataclass(frozen=True)
class Referred:
    """A persistent id."""

    key: Any


@dataclass(frozen=True)
class Raw:
    """Instructions as they are."""

    code: bytes


def assemble(value: object, protocol: int = 4) -> bytes:
    """The whole pickle of a value."""
    return bytes([0x80, protocol]) + code(value) + b"."


def code(value: object) -> bytes:  # noqa: PLR0911
    """The instructions that push a value."""
    match value:
        case Raw(found):
            return found
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int() if 0 <= value < 256:
            return b"K" + bytes([value])
        case int() if -(1 << 31) <= value < 1 << 31:
            return b"J" + struct.pack("<i", value)
        case int():
            return b"\x8a\x0c" + value.to_bytes(12, "little", signed=True)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            data = value.encode()
            return b"X" + struct.pack("<I", len(data)) + data
        case bytes():
            return b"B" + struct.pack("<I", len(value)) + value
        case _:
            return _compound(value)


def _compound(value: object) -> bytes:  # noqa: PLR0911
    match value:
        case tuple():
            return b"(" + b"".join(map(code, value)) + b"t"
        case list():
            return b"](" + b"".join(map(code, value)) + b"e"
        case set():
            return b"\x8f(" + b"".join(map(code, sorted(value))) + b"\x90"
        case dict():
            return b"}(" + b"".join(code(key) + code(item) for key, item in value.items()) + b"u"
        case Named(module, name):
            return b"c" + f"{module}\n{name}\n".encode()
        case Called(function, arguments):
            return code(function) + code(arguments) + b"R"
        case New(made, state):
            return code(made) + b")\x81" + code(state) + b"b"
        case Referred(key):
            return code(key) + b"Q"
    raise TypeError(type(value))


# tensors

ORDERED = Called(Named("collections", "OrderedDict"), ())


def rebuilt(
    storage: object, shape: tuple[int, ...], offset: int = 0, strides: Any = None
) -> Called:
    """A tensor of a storage, in C order unless strides are given."""
    if strides is None:
        strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    rebuild = Named("torch._utils", "_rebuild_tensor_v2")
    return Called(rebuild, (storage, offset, shape, strides, False, ORDERED))


def parameter(tensor: Called) -> Called:
    """A tensor as a parameter."""
    return Called(Named("torch._utils", "_rebuild_parameter"), (tensor, True, ORDERED))


def storage_key(array: np.ndarray[Any, Any], key: str = "0", count: int | None = None) -> Referred:
    """The persistent id of an array's storage."""
    kind = Named("torch", STORAGE_TYPES[array.dtype.str])
    return Referred(("storage", kind, key, "cuda:0", array.size if count is None else count, None))


def stream(
    found: object, arrays: dict[str, np.ndarray[Any, Any]], *, counts: dict[str, int] | None = None
) -> bytes:
    """A file of `torch.save` before version 1.6."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    data = b"\x80\x02\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."
    for part in (1001, system, found, list(arrays)):
        data += assemble(part, 2)
    for key, array in arrays.items():
        count = (counts or {}).get(key, array.size)
        data += struct.pack("<q", count) + array.tobytes()
    return data


def nested(array: np.ndarray[Any, Any], **lies: Any) -> Called:
    """A storage as a stream within a pickle."""
    inner = lies.pop("inner", storage_key(array))
    data = stream(inner, {"0": array}, **lies)
    return Called(Named("torch.storage", "_load_from_bytes"), (data,))


def archive(found: object, arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """A file of `torch.save` since version 1.6."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as records:
        records.writestr("archive/data.pkl", assemble(found, 2))
        for key, array in arrays.items():
            records.writestr(f"archive/data/{key}", array.tobytes())
    return buffer.getvalue()


# modules


def module(
    tensors: dict[str, Any], modules: dict[str, Any], attributes: dict[str, Any]
) -> dict[str, Any]:
    """The state of a module."""
    return {
        "training": False,
        "_parameters": tensors,
        "_buffers": ORDERED,
        "_non_persistent_buffers_set": set(),
        "_forward_hooks": ORDERED,
        "_modules": modules,
        **attributes,
    }


def persistent(name: str, state: object) -> Called:
    """A persistent object, with source text that must not be run."""
    return Called(
        Named("zoo.persistence", "rebuild"),
        (
            {
                "type": "class",
                "version": 6,
                "module_src": "raise SystemExit('the source text of a checkpoint was run')",
                "class_name": name,
                "state": state,
            },
        ),
    )


def gain(number: float) -> Called:
    """A scalar of NumPy."""
    dtype = New(Called(Named("numpy", "dtype"), ("f8", False, True)), Raw(b""))
    state = (3, "<", None, None, None, -1, -1, 0)
    made = Raw(code(dtype.made) + code(state) + b"b")
    return Called(Named("numpy.core.multiarray", "scalar"), (made, struct.pack("<d", number)))


def lion(weight: np.ndarray[Any, Any], bias: np.ndarray[Any, Any]) -> dict[str, Any]:
    """A file with every kind of thing that is known, but for persistent ids."""
    mane = persistent(
        "Mane",
        module(
            {"weight": parameter(rebuilt(nested(weight), weight.shape)), "none": None},
            {},
            {"gain": gain(0.25), "device": Called(Named("torch", "device"), ("cuda", 0))},
        ),
    )
    keeper = New(
        Named("zoo.cage", "Keeper"), module({"bias": rebuilt(nested(bias), bias.shape)}, {}, {})
    )
    options = New(Named("zoo.util", "EasyDict"), Raw(b""))
    wanted = Raw(code(options.made) + b")\x81" + code("rate") + code(1.5) + b"s")
    row = New(Named("torch.nn.modules.container", "Sequential"), module({}, {"0": keeper}, {}))
    state = module({}, {"mane": mane, "row": row}, {"options": wanted, "size": 300})
    known = Called(Named("__builtin__", "set"), (["a"],))
    return {"lion": persistent("Lion", state), "seen": known, "left": [None, (1, -2, 3 << 40)]}


def variants(value: Any, change: Callable[[Any], Any]) -> Iterator[Any]:
    """Copies of a value in which one thing after the other was changed, at every depth."""
    yield change(value)
    match value:
        case dict():
            for key, item in value.items():
                yield from (value | {key: new} for new in variants(item, change))
        case list() | tuple():
            for index, item in enumerate(value):
                for new in variants(item, change):
                    yield type(value)([*value[:index], new, *value[index + 1 :]])
        case Called(_, arguments):
            yield from (replace(value, arguments=new) for new in variants(arguments, change))
        case New(_, state):
            yield from (replace(value, state=new) for new in variants(state, change))
