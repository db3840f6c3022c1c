"""Write the references, ``python -m tools.reference``: what the program itself says of itself.

`docs/cli.md` holds the help of every command, `docs/api.md` the signature and docstring of
everything that `import graf_cli` offers. A test holds both against the program.
"""

from __future__ import annotations

import inspect
import re
from functools import cached_property
from pathlib import Path

import click

import graf_cli
from graf_cli.cli.main import COMMANDS, cli

DOCS = Path(__file__).parents[1] / "docs"
WIDTH = 100
MADE = "<!-- Made by `python -m tools.reference`; a test holds it against the program. -->"


def cli_reference() -> str:
    """The help of `graf` and of each command, as Markdown."""
    parts = [f"# The command line\n\n{MADE}\n", _help("graf", cli, None)]
    with click.Context(cli, info_name="graf") as root:
        for name in COMMANDS:
            command = cli.get_command(root, name)
            assert command is not None
            parts += _pages(f"graf {name}", command, root)
    return "\n".join(parts)


def _pages(name: str, command: click.Command, parent: click.Context) -> list[str]:
    pages = [_help(name, command, parent)]
    if isinstance(command, click.Group):
        with click.Context(command, info_name=name.rpartition(" ")[2], parent=parent) as within:
            for sub in command.list_commands(within):
                found = command.get_command(within, sub)
                assert found is not None
                pages += _pages(f"{name} {sub}", found, within)
    return pages


def _help(name: str, command: click.Command, parent: click.Context | None) -> str:
    with click.Context(
        command,
        info_name=name.rpartition(" ")[2],
        parent=parent,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
    ) as context:
        text = command.get_help(context).rstrip()
    return f"## `{name}`\n\n```text\n{text}\n```\n"


def api_reference() -> str:
    """Signatures and docstrings of the library's front door, as Markdown."""
    parts = [f"# The library\n\n{MADE}\n\n```python\nimport graf_cli as graf\n```\n"]
    for name in sorted(graf_cli.__all__, key=str.casefold):
        if name.startswith("_"):
            continue
        thing = getattr(graf_cli, name)
        parts.append(f"## `{_signature(name, thing)}`\n\n{_docstring(thing)}\n")
        if inspect.isclass(thing):
            parts += [_member(name, member, value) for member, value in _members(thing)]
    return "\n".join(parts)


def _signature(name: str, thing: object) -> str:
    """A class is told by its attributes, which its docstring lists; a function by its arguments."""
    if not inspect.isfunction(thing):
        return f"graf.{name}"
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(thing)))
    return f"graf.{name}{text}"


def _members(kind: type) -> list[tuple[str, object]]:
    own = {name: value for name, value in vars(kind).items() if not name.startswith("_")}
    described = (property, cached_property, staticmethod, classmethod)
    return [(n, v) for n, v in own.items() if inspect.isfunction(v) or isinstance(v, described)]


def _member(kind: str, name: str, value: object) -> str:
    called = "" if isinstance(value, property | cached_property) else "()"
    return f"### `{kind}.{name}{called}`\n\n{_docstring(value)}\n"


def _docstring(thing: object) -> str:
    text = inspect.getdoc(thing) or ""
    return f"```text\n{text}\n```" if "\n" in text else text


REFERENCES = {"cli.md": cli_reference, "api.md": api_reference}


def main() -> None:
    """Write both."""
    for name, make in REFERENCES.items():
        (DOCS / name).write_text(make())
        print(DOCS / name)


if __name__ == "__main__":
    main()
