"""The references say what the program says."""

from __future__ import annotations

import pytest

import graf_cli
from tools.reference import DOCS, REFERENCES


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_the_program_s(name: str) -> None:
    written, made = (DOCS / name).read_text(), REFERENCES[name]()
    assert written == made, "run `python -m tools.reference`"


def test_everything_that_is_offered_is_there_and_explained() -> None:
    for name in graf_cli.__all__:
        thing = getattr(graf_cli, name)
        assert isinstance(thing, str) or thing.__doc__, name
