"""The front door: all that is offered is there, and nothing heavy is imported for it."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import graf_cli
from graf_cli import api

HEAVY = ("torch", "numpy", "PIL", "msgspec", "click")


@pytest.mark.parametrize("name", graf_cli.__all__)
def test_what_is_offered_is_there(name: str) -> None:
    assert getattr(graf_cli, name).__doc__ or name == "__version__"
    assert name in dir(graf_cli)


def test_the_front_door_is_light() -> None:
    program = f"import sys, graf_cli; print(set({HEAVY}) & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_nothing_else_is_offered() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = graf_cli.nothing


def test_the_examples_say_what_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tried = doctest.testmod(api)
    assert tried.attempted > 10
    assert tried.failed == 0
