"""Parameter types: the words of `graf_cli.syntax`, with click's errors and shell completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from graf_cli.errors import GrafError
from graf_cli.syntax import (
    DEFAULT_MODEL,
    parse_colour,
    parse_control,
    parse_depths,
    parse_named,
    parse_seeds,
    parse_show,
    parse_size,
    parse_split,
    parse_sweep,
    parse_values,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from graf_cli.scene.features import Features


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


def _features(ctx: click.Context) -> Features | None:
    """What the model that is named so far offers; None of a file, which is not opened for that."""
    from graf_cli.model.manifest import load_manifest
    from graf_cli.model.spec import features_of

    if ctx.params.get("checkpoint"):
        return None
    try:
        return features_of(load_manifest().resolve(ctx.params.get("model") or DEFAULT_MODEL))
    except GrafError:
        return None


class Named(Parsed):
    """`NAME=VALUE`; the shell completes the names that the model has.

    Parameters
    ----------
    name : str
    parse : callable
        Of the value.
    names : callable
        Those of a model's features, with a few words on each.
    """

    def __init__(
        self,
        name: str,
        parse: Callable[[str], object],
        names: Callable[[Features], Iterable[tuple[str, str]]],
    ) -> None:
        super().__init__(name, lambda text: parse_named(text, parse))
        self._names = names

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names that begin as `incomplete` does, with what they mean."""
        features = _features(ctx)
        names = () if features is None else self._names(features)
        return [
            CompletionItem(f"{name}=", help=about)
            for name, about in names
            if name.startswith(incomplete)
        ]


def _blocks(features: Features) -> list[tuple[str, str]]:
    blocks = [(block.name, f"{block.length} numbers") for block in features.blocks]
    return blocks + [(one.name, one.about) for one in features.controls if one.seed]


def _controls(features: Features) -> list[tuple[str, str]]:
    return [(control.name, control.about) for control in features.controls]


def _axes(features: Features) -> list[tuple[str, str]]:
    from graf_cli.request.axes import names_of

    return [(name, "") for name in names_of(features)]


CODE = Named("code", parse_seeds, _blocks)
CONTROL = Named("control", parse_control, _controls)
AXIS = Named("axis", parse_values, _axes)
