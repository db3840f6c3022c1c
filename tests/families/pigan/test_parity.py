"""Pictures, cameras, draws and grids against what the authors' own code made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.parity import pigan

CASES = [*pigan.cases(Path(__file__).parent / "cases")]


def test_all_cases_are_found() -> None:
    names = {case.name for case in CASES}
    assert names == {
        "celeba", "embedding", "options", "statedict", "full_celeba",
        "interpolation", "grids", "cameras", "programs",
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_authors_numbers_are_met(case: pigan.Case) -> None:
    rows = pigan.run(case)
    assert rows
    assert [row for row in rows if not row.good] == []


def test_a_wrong_number_is_told() -> None:
    [case] = [case for case in CASES if case.name == "statedict"]
    pictures = pigan.Pictures(case.folder, case.name)
    pictures.truth["rgb"] = pictures.truth["rgb"] + 1e-2
    assert any(not row.good for row in pictures.rows())
