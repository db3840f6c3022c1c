"""Whole pictures, inner numbers, cameras, draws and programs of the release."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.parity import giraffe as parity

CASES = Path(__file__).parent / "cases"
ALL = [*parity.cases(CASES)]


def test_cases_are_found() -> None:
    assert {case.name for case in ALL} == {
        "cars", "church", "options", "plain", "volume", "cameras", "programs"
    }  # fmt: skip


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_nothing_is_off(case: parity.Case) -> None:
    rows = [*parity.run(case)]
    assert rows
    assert [row for row in rows if not row.good] == []
