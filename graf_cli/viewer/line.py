"""The command line that draws a recipe: options where they say it, else the recipe in a pipe."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graf_cli.output.provenance.command import option
from graf_cli.recipe import Recipe

LONGEST = 100_000  # bytes of a recipe in a line; a shell's argument has at most 128 KiB
BY_FILE = ("latents", "poses", "intrinsics", "space")  # what the command line takes from files


@dataclass(frozen=True)
class Source:
    """How a command line names the model; files by their names, without their folders.

    Attributes
    ----------
    arguments : tuple of str
        The options and their values.
    named : bool
        Whether a recipe needs them, too, since the model is no one's of a manifest.
    """

    arguments: tuple[str, ...]
    named: bool = False


def line_of(source: Source, asked: Mapping[str, Any], recipe: Recipe, out: str) -> str:
    """A line for a shell that draws the recipe into `out`.

    Parameters
    ----------
    source : Source
    asked : mapping
        What the recipe was made of, by the names of `SweepOptions`.
    recipe : Recipe
    out : str
    """
    if not any(key in asked for key in BY_FILE):
        arguments = ["graf", "render", *source.arguments, *_options(asked), *_carefully(recipe)]
        return shlex.join([*arguments, *option("out", out)])
    text, arguments = (
        recipe.to_json(),
        [*(source.arguments if source.named else ()), *option("out", out)],
    )
    if len(text) > LONGEST:
        return shlex.join(["graf", "render", *option("recipe", recipe_name(out)), *arguments])
    return f"printf '%s' {shlex.quote(text)} | {shlex.join(['graf', 'render', *option('recipe', '-'), *arguments])}"  # noqa: E501 - one line, as it is


def recipe_name(out: str) -> str:
    """The name under which the recipe of a file is saved."""
    return f"{out.rstrip('/').rpartition('.')[0] or out.rstrip('/')}.recipe.json"


def _carefully(recipe: Recipe) -> list[str]:
    exact = [flag("exact")] if recipe.exact else []
    precise = [] if recipe.precision == "auto" else option("precision", recipe.precision)
    return [*exact, *precise]


def flag(field: str) -> str:
    """An option by itself."""
    return f"--{field.replace('_', '-')}"


def _options(asked: Mapping[str, Any]) -> list[str]:
    arguments: list[str] = []
    for key, value in asked.items():
        name = key.replace("_", "-")
        match key, value:
            case "codes", _:
                for block, seeds in value.items():
                    arguments += option("code", f"{block}={_sweep(seeds)}")
            case "controls", _:
                for control, values in value.items():
                    arguments += option("control", f"{control}={_sweep(values)}")
            case "size", (width, height):
                arguments += option(name, width if width == height else f"{width}x{height}")
            case "show", _:
                arguments += option(name, ",".join(value))
            case "boomerang", _:
                arguments += [flag(key)] if value else []
            case _:
                arguments += option(name, value if isinstance(value, str) else _sweep(value))
    return arguments


def _sweep(values: float | Sequence[float]) -> str:
    several = values if isinstance(values, Sequence) else (values,)
    return ":".join(map(number, several))


def number(value: float) -> str:
    """The shortest decimals that are the very number."""
    return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)
