"""Modules that are slow to load, without the pauses of the garbage collector."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """While PyTorch is loaded for the first time, look for no garbage; never in what was loaded.

    Modules are made of hundreds of thousands of objects that live as long as the program. The
    collector would go through all of them several times while they are made, again during the
    first picture and at the end of the program, a twentieth of a small picture's time each.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
