"""Options by their names, as a line of a batch has them, made the words of a command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from graf_cli.errors import RecipeError, UsageError

JOINED = {"sweep": ":", "seeds": ":", "depths": ":", "size": "x", "kinds": ",", "split": ","}


def words_of(command: click.Command, options: Mapping[str, Any]) -> Iterator[str]:
    """A command line of options by their names, with ``_`` or ``-``.

    Raises
    ------
    UsageError, RecipeError
        When the command has no such option, or it cannot have such a value.
    """
    known = [param for param in command.params if isinstance(param, click.Option)]
    spelled = {option: param for param in known for option in param.opts}
    negated = {option: param for param in known for option in param.secondary_opts}
    for key, value in options.items():
        option = f"--{key.replace('_', '-')}"
        param = spelled.get(option)
        if option in negated and value is True:
            yield option
            continue
        if param is None:
            raise UsageError(f"`{command.name}` has no option `{key}`; see its --help.")
        yield from _option(option, param, key, value)


def _option(option: str, param: click.Option, key: str, value: Any) -> Iterator[str]:
    match value:
        case None:
            return
        case bool() if param.is_flag:
            off = param.secondary_opts
            if value or off:
                yield option if value else off[0]
        case dict() if value and param.multiple:
            yield from _named(option, key, value)
        case str() | int() | float() if not param.is_flag and not isinstance(value, bool):
            if value == "-":
                raise UsageError(f"`{key}` cannot be standard input in a batch; name a file.")
            yield from (option, str(value))
        case list() if value and all(isinstance(item, str | int | float) for item in value):
            yield from (option, JOINED.get(param.type.name, ",").join(map(str, value)))
        case _ if param.is_flag:
            raise RecipeError(f"`{key}` cannot be {value!r}; it is true or false.")
        case _:
            raise RecipeError(f"`{key}` cannot be {value!r}; write it as on the command line.")


def _named(option: str, key: str, values: Mapping[str, Any]) -> Iterator[str]:
    """``{"shape": 3, "appearance": [1, 2]}``, one word a name."""
    for name, value in values.items():
        parts = value if isinstance(value, list) else [value]
        if not parts or not all(isinstance(part, str | int | float) for part in parts):
            raise RecipeError(f"`{key}` cannot give `{name}` {value!r}; write a number or a list.")
        yield from (option, f"{name}={':'.join(map(str, parts))}")
