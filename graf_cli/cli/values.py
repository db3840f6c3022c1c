"""Options by their names, as a line of a batch has them, become the request of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import click

from graf_cli.cli import console
from graf_cli.cli.drawing import Drawing, Request
from graf_cli.cli.types import Parsed
from graf_cli.errors import RecipeError, UsageError
from graf_cli.syntax import nearest

# Between the items of a list that holds text, as the command line has them; else a comma.
JOINED = {"sweep": ":", "seeds": ":", "depths": ":", "size": "x"}


@dataclass(frozen=True)
class Options:
    """The options of a command, for any number of lines.

    Attributes
    ----------
    command : Drawing
    context : click.Context
        With the values that the environment and defaults give; no line changes it.
    """

    command: Drawing
    context: click.Context

    @classmethod
    def of(cls, name: str, *arguments: str) -> Options:
        """Those of the command of this name, and what it takes besides."""
        root = click.get_current_context().find_root()  # so that GRAF_RENDER_… are found
        assert isinstance(root.command, click.Group)
        command = root.command.get_command(root, name)
        assert isinstance(command, Drawing)
        with console.put_back():  # the batch's own command line outranks the environment
            return cls(command, command.make_context(name, [*arguments], parent=root))

    def request(self, typed: Mapping[str, Any], line: Mapping[str, Any]) -> Request:
        """The request of a line, as if the command line had said all of it.

        Parameters
        ----------
        typed : mapping
            Values by parameters' names, which a line may override.
        line : mapping
            Values as JSON has them, by options' names with ``_`` or ``-``.

        Raises
        ------
        UsageError, RecipeError, click.BadParameter
            When the command has no such option, or it cannot have such a value.
        """
        said = {**typed}
        for key, given in line.items():
            if given is None:
                continue
            param, value = self._typed(key, given)
            assert param.name is not None
            if param.expose_value:
                said[param.name] = value
            elif param.callback is not None:
                param.callback(self.context, param, value)
        return self.command.request({**self.context.params, **said}, frozenset(said))

    def _typed(self, key: str, value: Any) -> tuple[click.Option, object]:
        """An option by its name, and its value."""
        option = f"--{key.replace('_', '-')}"
        if option in self._negated and value is True:
            return self._negated[option], False
        if option in self._spelled:
            param = self._spelled[option]
            return param, _value(self.context, param, key, value)
        near = nearest(key, [name.lstrip("-").replace("-", "_") for name in self._spelled])
        hint = f"do you mean `{near}`?" if near else "see its --help."
        raise UsageError(f"`{self.command.name}` has no option `{key}`; {hint}")

    @cached_property
    def _known(self) -> list[click.Option]:
        return [param for param in self.command.params if isinstance(param, click.Option)]

    @cached_property
    def _spelled(self) -> dict[str, click.Option]:
        return {option: param for param in self._known for option in param.opts}

    @cached_property
    def _negated(self) -> dict[str, click.Option]:
        return {option: param for param in self._known for option in param.secondary_opts}


def _value(context: click.Context, param: click.Option, key: str, value: Any) -> object:
    """The value in the option's type; numbers of a list are taken as they are."""
    match value:
        case bool() if param.is_flag:
            return value
        case _ if param.is_flag:
            raise RecipeError(f"`{key}` cannot be {value!r}; it is true or false.")
        case "-":
            raise UsageError(f"`{key}` cannot be standard input in a batch; name a file.")
        case str() | [_, *_] if param.multiple:
            items = [value] if isinstance(value, str) else value
            return tuple(param.type.convert(str(item), param, context) for item in items)
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
