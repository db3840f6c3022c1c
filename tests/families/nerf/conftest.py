"""The measured scenes."""

from __future__ import annotations

from pathlib import Path

import pytest

from graf_cli.model.generator import Generator
from tools.parity.nerf import Case, generator_of

CASES = Path(__file__).parent / "cases"
NAMES = ("lego", "plain", "fern", "spherify")


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest) -> Case:
    """Every measured scene in turn."""
    return Case(CASES, request.param)


@pytest.fixture
def scene_of(case: Case) -> Generator:
    """It as a generator."""
    return generator_of(case)
