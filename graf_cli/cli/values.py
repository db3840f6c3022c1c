"""Options by their names, as a line of a batch has them, become the values of a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click
from click.core import ParameterSource

from graf_cli.cli.types import Parsed
from graf_cli.errors import RecipeError, UsageError
from graf_cli.syntax import nearest

# Between the items of a list that holds text, as the command line has them; else a comma.
JOINED = {"sweep": ":", "seeds": ":", "depths": ":", "size": "x"}


def give(context: click.Context, options: Mapping[str, Any]) -> None:
    """Set options by their names, with ``_`` or ``-``, as if the command line had given them.

    Raises
    ------
    UsageError, RecipeError, click.BadParameter
        When the command has no such option, or it cannot have such a value.
    """
    for param, value in _typed(context, options):
        assert param.name is not None
        if param.expose_value:
            context.params[param.name] = value
            context.set_parameter_source(param.name, ParameterSource.COMMANDLINE)
        elif param.callback is not None:
            param.callback(context, param, value)


def _typed(
    context: click.Context, options: Mapping[str, Any]
) -> Iterator[tuple[click.Option, object]]:
    known = [param for param in context.command.params if isinstance(param, click.Option)]
    spelled = {option: param for param in known for option in param.opts}
    negated = {option: param for param in known for option in param.secondary_opts}
    for key, value in options.items():
        option = f"--{key.replace('_', '-')}"
        if value is None:
            continue
        if option in negated and value is True:
            yield negated[option], False
        elif option in spelled:
            yield spelled[option], _value(context, spelled[option], key, value)
        else:
            near = nearest(key, [name.lstrip("-").replace("-", "_") for name in spelled])
            hint = f"do you mean `{near}`?" if near else "see its --help."
            raise UsageError(f"`{context.command.name}` has no option `{key}`; {hint}")


def _value(context: click.Context, param: click.Option, key: str, value: Any) -> object:
    """The value in the option's type; numbers of a list are taken as they are."""
    match value:
        case bool() if param.is_flag:
            return value
        case _ if param.is_flag:
            raise RecipeError(f"`{key}` cannot be {value!r}; it is true or false.")
        case "-":
            raise UsageError(f"`{key}` cannot be standard input in a batch; name a file.")
        case str() | int() | float() if not isinstance(value, bool):
            return param.type.convert(str(value), param, context)
        case dict() if value and param.multiple:
            return tuple(
                param.type.convert(f"{name}={_joined(key, name, given)}", param, context)
                for name, given in value.items()
            )
        case list() if value and isinstance(param.type, Parsed) and _numbers(value):
            return tuple(value)
        case list() if value and all(isinstance(item, str | int | float) for item in value):
            text = JOINED.get(param.type.name, ",").join(map(str, value))
            return param.type.convert(text, param, context)
        case _:
            raise RecipeError(f"`{key}` cannot be {value!r}; write it as on the command line.")


def _joined(key: str, name: str, given: object) -> str:
    """The values of one of several names, as the command line has them."""
    parts = given if isinstance(given, list) else [given]
    if not parts or not all(isinstance(part, str | int | float) for part in parts):
        raise RecipeError(f"`{key}` cannot give `{name}` {given!r}; write a number or a list.")
    return ":".join(map(str, parts))


def _numbers(values: list[object]) -> bool:
    return all(isinstance(item, int | float) and not isinstance(item, bool) for item in values)
