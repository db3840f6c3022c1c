"""A first look at an object, and what is known of it between the nodes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from graf_cli.surfaces.field import Field
from graf_cli.surfaces.rough import CELLS, around, looked
from graf_cli.surfaces.silhouettes import FAINTEST, level_of
from graf_cli.surfaces.source import source_of
from tests.conftest import CPU
from tests.surfaces.scenes import Objects, ball, plate


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many points a field is asked for each time."""
    counts, ask = [0], Field.ask

    def counted(field: Field, run: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
        counts.append(len(points))
        return ask(field, run, points)

    monkeypatch.setattr(Field, "ask", counted)
    return counts


def denser(points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """The plate, half as thick at the level of a surface as the coarsest cells."""
    raw, colours = plate(points, directions)
    return 10 * raw, colours


@pytest.mark.parametrize("field", [ball, denser])
@torch.inference_mode()
def test_what_is_clear_is_on_the_right_side_of_the_levels(
    field: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], asked: list[int]
) -> None:
    objects = Objects(field)
    source = source_of(objects, objects.shot(), objects.camera)
    low, top = FAINTEST * source.field.surface, source.field.surface
    rough = looked(source.field, source.box, low, top)
    assert sum(asked) < 0.5 * (CELLS + 1) ** 3
    points = (torch.rand((50_000, 3), device=CPU, dtype=torch.float32) - 0.5) * 2.2
    told, unclear = rough.at(points)
    exact = source.field.density(points)
    assert ((told > low) == (exact > low))[~unclear].all()
    assert ((told > top) == (exact > top))[~unclear].all()
    assert unclear.float().mean() < 0.5
    box = around(source.field, top, source.box, rough=rough)
    inside = points[exact > top].numpy()
    assert (inside >= box.low).all()
    assert (inside <= box.high).all()


@torch.inference_mode()
def test_the_level_is_the_same_of_fewer_looks(asked: list[int]) -> None:
    objects = Objects(lambda points, ways: (ball(points, ways)[0] / 4, ball(points, ways)[1]))
    source = source_of(objects, objects.shot(), objects.camera)
    surface = source.field.surface
    rough = looked(source.field, source.box, FAINTEST * surface, surface)
    asked.clear()
    few, known = level_of(source, source.box, rough), sum(asked)
    asked.clear()
    exact = level_of(source, source.box)
    assert exact < surface  # or nothing of it would be told by the rough look
    assert few == pytest.approx(exact, rel=0.02)
    assert known < 0.6 * sum(asked)
