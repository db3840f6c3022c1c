"""The errors are the ones that their module draws."""

from __future__ import annotations

import re

from graf_cli import errors
from graf_cli.cli.main import option
from graf_cli.errors import GrafError, OutputError, UsageError


def every_error() -> set[type[GrafError]]:
    return {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, GrafError)
    }


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert {"GrafError", *drawn} == {error.__name__ for error in every_error()}
    assert all(error.__base__ in {GrafError, Exception} for error in every_error())


def test_only_a_wrong_command_line_exits_2() -> None:
    assert {error for error in every_error() if error.exit_code == 2} == {UsageError}
    assert {error.exit_code for error in every_error()} == {1, 2}


def test_what_is_switched_off_is_spelled_for_its_reader() -> None:
    error = OutputError("⟨no clobber⟩ keeps it; name another ⟨out⟩.")
    assert str(error) == "`clobber=False` keeps it; name another `out`."
    assert error.told(option) == "--no-clobber keeps it; name another --out."


def test_every_error_says_when_it_is_raised() -> None:
    assert all(error.__doc__ for error in every_error())
