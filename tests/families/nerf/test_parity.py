"""What nerf-pytorch measured, met by both paths."""

from __future__ import annotations

import pytest

from tools.parity.nerf import Case, run


def test_everything_is_as_measured(case: Case) -> None:
    rows = list(run(case))
    assert {row.output.split(" ")[0] for row in rows} >= {"rgb", "opacity", "disparity", "rgb,"}
    for row in rows:
        assert row.good, row


@pytest.mark.parametrize("two", ["rgb0", "opacity0"])
def test_the_first_pass_is_tighter(case: Case, two: str) -> None:
    for row in run(case):
        if row.output == two:
            assert row.largest <= 5e-6
