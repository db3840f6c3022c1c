"""Parameter types: the words of `graf_cli.syntax`, with click's errors and shell completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from graf_cli.errors import GrafError
from graf_cli.syntax import (
    parse_colour,
    parse_depths,
    parse_seeds,
    parse_show,
    parse_size,
    parse_split,
    parse_sweep,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Parsed(click.ParamType[Any]):
    """A type whose parser raises GrafErrors."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Parse text; pass on what is parsed already."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except GrafError as error:
            self.fail(str(error), param, ctx)


def _colour(text: str) -> str:
    return text if text in ("model", "transparent") else parse_colour(text)


SWEEP = Parsed("sweep", parse_sweep)
SEEDS = Parsed("seeds", parse_seeds)
SIZE = Parsed("size", parse_size)
COLOUR = Parsed("colour", _colour)
SHOW = Parsed("kinds", parse_show)
DEPTHS = Parsed("depths", parse_depths)
SPLIT = Parsed("split", parse_split)


class ModelName(click.ParamType[Any]):
    """`NAME` or `NAME:SIZE`; the shell completes both."""

    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names that begin as `incomplete` does, with what they show."""
        from graf_cli.model.manifest import load_manifest

        entries = load_manifest().models
        names = {name: entry.title for name, entry in entries.items()}
        sized = {
            f"{name}:{size}": entry.title for name, entry in entries.items() for size in entry.sizes
        }
        offered = names | sized if ":" in incomplete else names
        return [
            CompletionItem(name, help=title)
            for name, title in offered.items()
            if name.startswith(incomplete)
        ]


MODEL = ModelName()
