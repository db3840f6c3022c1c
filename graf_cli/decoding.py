"""Plain values and JSON become structs, on whichever thread.

What msgspec knows of a type it keeps on the type, where it puts it before it is whole: while one
thread learns a type, another one that needs it reads half of it, and the process dies of a
segmentation fault (msgspec 0.22). Here a type is learnt once, by one thread at a time, with all
types that it has inside; what follows takes no lock.
"""

from __future__ import annotations

import threading
from typing import TypeVar

import msgspec

T = TypeVar("T")

_known: set[object] = set()
_learning = threading.RLock()  # a type may be read while another one is learnt


def _learn(kind: object) -> None:
    if kind in _known:
        return
    with _learning:
        msgspec.json.Decoder(kind)
        _known.add(kind)


def convert(value: object, kind: type[T], *, strict: bool = True, str_keys: bool = False) -> T:
    """`msgspec.convert`, on any thread.

    Parameters
    ----------
    value : object
        Of numbers, strings, lists and dicts.
    kind : type
    strict : bool, default True
        Whether text that tells a number is not one.
    str_keys : bool, default False
        Whether keys of dicts are text where numbers are asked for.

    Raises
    ------
    msgspec.ValidationError
        Naming the key.
    """
    _learn(kind)
    return msgspec.convert(value, kind, strict=strict, str_keys=str_keys)


def decode(text: str | bytes, kind: type[T]) -> T:
    """JSON as `kind`, on any thread.

    Raises
    ------
    msgspec.DecodeError, msgspec.ValidationError
    """
    _learn(kind)
    return msgspec.json.decode(text, type=kind)
