"""The table of engines: a name, where its module is, and whether other machines share the work."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from graf_cli.errors import UsageError

if TYPE_CHECKING:
    from graf_cli.engine.contract import Engine


@dataclass(frozen=True)
class Known:
    """One engine; its module is imported when it is opened.

    Attributes
    ----------
    module : str
        Of `graf_cli.engine`.
    kind : str
        The class in it.
    remote : bool
        Whether it takes an address and a number of workers.
    """

    module: str
    kind: str
    remote: bool = False


ENGINES = {
    "local": Known("local", "LocalEngine"),
    "ray": Known("cluster", "RayEngine", remote=True),
}


def open_engine(name: str, address: str | None = None, workers: int | None = None) -> Engine:
    """The engine of a name.

    Raises
    ------
    UsageError
        When it takes no address or workers.
    EngineError
        When it cannot be used.
    """
    known = ENGINES[name]
    kind = getattr(import_module(f"graf_cli.engine.{known.module}"), known.kind)
    if not known.remote:
        if address or workers:
            others = " or ".join(other for other, row in ENGINES.items() if row.remote)
            raise UsageError(f"⟨address⟩ and ⟨workers⟩ go with ⟨engine⟩ {others}.")
        engine: Engine = kind()
        return engine
    remote: Engine = kind(address, workers)
    return remote.opened()
