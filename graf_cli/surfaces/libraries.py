"""Libraries that exports need and nothing else does: the extra `graf[export]`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from graf_cli.errors import SurfaceError


def require(name: str) -> Any:
    """A module of one of them.

    Raises
    ------
    SurfaceError
        When it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise SurfaceError(
            f"Surfaces need the library {name.partition('.')[0]}, which is not installed; run "
            '`pip install "graf[export]"`.'
        ) from error
