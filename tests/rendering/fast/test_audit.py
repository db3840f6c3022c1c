"""What an audit makes of the densities that it sees, block by block and in the end."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from graf_cli.rendering.fast.audit import Audit, GridBrokenError, Looked
from tests.rendering.fast.twins import seeded


def densities(highest: float, count: int = 100) -> Tensor:
    """Numbers below 0, the last ones `highest`."""
    made = -10 - torch.rand((count,), generator=seeded(0), device="cpu", dtype=torch.float32)
    made[-1] = highest
    return made


def kinds(*some: Tensor) -> list[Looked]:
    """Of a million samples each."""
    return [Looked(one, 1_000_000) for one in some]


def test_a_share_is_of_all_that_is_looked_at() -> None:
    audit = Audit(2000, 20, 0, expect=False)
    assert audit.count == 100
    with pytest.raises(GridBrokenError, match="1 samples called empty are not") as broken:
        audit.judge([Looked(densities(0.5), 1000)])
    assert broken.value.share == 1 / 2000


def test_every_block_looks_at_other_samples() -> None:
    audit = Audit(2000, 20, 7, expect=False)
    audit.begin(40)
    assert audit.seed == 47


def test_what_is_expected_is_told_in_the_end_from_all_blocks() -> None:
    steep = torch.linspace(-10, -0.5, 400, device="cpu", dtype=torch.float32)
    flat = densities(-10)
    audit = Audit(2000, 20, 0, expect=True)
    for block in range(4):
        audit.begin(block)
        audit.judge(kinds(flat, steep[block::4], flat[:0]))
    with pytest.raises(GridBrokenError, match="come close"):
        audit.finish()
    careless = Audit(2000, 20, 0, expect=False)
    careless.judge(kinds(steep))
    careless.finish()


def test_a_kind_is_expected_by_how_many_of_it_there_are() -> None:
    steep = torch.linspace(-10, -0.5, 400, device="cpu", dtype=torch.float32)
    audit = Audit(2000, 20, 0, expect=True)
    audit.judge([Looked(densities(-10), 1_000_000), Looked(steep, 800)])
    audit.finish()


def test_blocks_without_empty_samples_tell_nothing() -> None:
    audit = Audit(2000, 20, 0, expect=True)
    audit.judge([Looked(densities(-10)[:0], 0)] * 3)
    audit.finish()
