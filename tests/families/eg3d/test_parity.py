"""Every number of the measured cases."""

from __future__ import annotations

import pytest

from tests.families.eg3d.conftest import CASES
from tools.parity import eg3d

FOUND = {case.name: case for case in eg3d.cases(CASES)}


def test_the_cases_are_there() -> None:
    assert {*FOUND} == {"ffhq64", "auto4x", "odd", "cameras"}


@pytest.mark.parametrize("name", FOUND)
def test_pictures_are_the_authors(name: str) -> None:
    rows = [*eg3d.run(FOUND[name])]
    assert len(rows) >= 10
    assert [row for row in rows if not row.good] == []
