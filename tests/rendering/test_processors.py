"""On every processor a picture depends on its shot alone, whatever is asked of how many threads."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.processors import PRETENDED, possible, run_as
from tests.rendering.ways import SUBJECTS, Way, drawn

FEW, EVEN = 8, 16  # rows and outputs from which a product was seen to be pure


@pytest.mark.parametrize("processor", PRETENDED)
def test_no_way_of_drawing_changes_a_bit(processor: str) -> None:
    if processor not in possible():
        pytest.skip(f"this processor cannot pretend to have {processor}")
    assert json.loads(run_as(processor, "tests.rendering.ways")) == []


@pytest.fixture(params=["as it is", "without oneDNN"])
def faulty(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries whose results depend on threads and rows where real ones do, and much more."""
    plain: Callable[..., Tensor] = functional.linear
    fused: Callable[..., Tensor] = torch.ops.mkldnn._linear_pointwise

    def off(rows: Tensor) -> float:
        return 1 + 0.01 * torch.get_num_threads() + 0.001 * len(rows)

    def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        made = plain(x, weight, bias)
        rows = x.shape[:-1].numel()
        return made * off(x) if rows < FEW or len(weight) % EVEN else made

    def pointwise(x: Tensor, *rest: object) -> Tensor:
        made = fused(x, *rest)
        return made * off(x) if len(x) < FEW else made

    monkeypatch.setattr(functional, "linear", linear)
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", pointwise)
    if request.param == "without oneDNN":
        monkeypatch.setattr("graf_cli.scene.kernels.has_fused_product", lambda *_: False)


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("subject", ["one pass", "two passes"])
def test_a_library_s_faults_do_not_show(subject: str, exact: bool) -> None:
    generator = SUBJECTS[subject].make()
    for size, chunk in ((1, 1), (5, 37)):
        first = drawn(generator, size, Way(exact, None, 1))
        for way in (Way(exact, None, 3), Way(exact, chunk, 1)):
            for part, found in drawn(generator, size, way).items():
                assert (found == first[part]).all(), f"{part} of {size}, {way}"
