"""What was used last is kept."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

RECENT = 4  # objects whose folded volumes are kept: a grid's row, or two jobs in turn

K = TypeVar("K")
V = TypeVar("V")


def remember(recent: OrderedDict[K, V], key: K, value: V) -> None:
    """Keep a value, and forget the oldest when there are more than `RECENT`."""
    recent[key] = value
    while len(recent) > RECENT:
        recent.popitem(last=False)
