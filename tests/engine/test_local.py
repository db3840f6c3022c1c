"""The engine of this machine: the same pictures in any order and part, and how they were made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from graf_cli import api
from graf_cli.engine.contract import Work
from graf_cli.engine.local import Drawing, LocalEngine
from graf_cli.model.generator import Generator
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import Frame, RenderOptions
from graf_cli.request import sweep
from graf_cli.shots import Shots
from tests.conftest import small_generator

GENERATOR = small_generator()


def recipe(generator: Generator = GENERATOR, frames: int = 5) -> Recipe:
    return sweep(api.reference(generator), generator.spec, size=40, azimuth=(0, 360), frames=frames)


def work(
    pictures: Sequence[int], generator: Generator = GENERATOR, *, normals: bool = False
) -> Work:
    shots = Shots(recipe(generator), generator.spec)
    return Work(generator, shots, pictures, normals=normals)


def same(a: Frame, b: Frame) -> bool:
    return all(np.array_equal(getattr(a, key), getattr(b, key)) for key in ("rgb", "depth"))


def test_parts_are_the_whole() -> None:
    whole = list(api.draw(GENERATOR, recipe()))
    parts = (api.draw(GENERATOR, recipe(), pictures=some) for some in ((3, 4), (2, 0), (1,)))
    drawn = [frame for part in parts for frame in part]
    assert len(whole) == 5
    assert all(same(a, whole[k]) for k, a in zip((3, 4, 2, 0, 1), drawn, strict=True))


@pytest.mark.parametrize("how", [{"exact": True}, {"precision": "float32"}])
def test_the_library_draws_as_the_recipe_says(how: dict[str, Any]) -> None:
    """As exactly, and in the precision, that was asked for when it was written."""
    asked = recipe(frames=1)
    now = api.draw(GENERATOR, asked, RenderOptions(**how))
    then = api.draw(GENERATOR, replace(asked, **how))
    assert same(next(now), next(then))
    assert now.outcome == then.outcome
    assert (then.outcome.path == "plain") == how.get("exact", False)


def test_every_engine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this processor makes of a precision."""
    given: list[RenderOptions] = []
    draw = LocalEngine.draw

    def noted(engine: LocalEngine, work: Work) -> Drawing:
        given.append(work.options)
        return draw(engine, work)

    monkeypatch.setattr(LocalEngine, "draw", noted)
    asked = replace(recipe(), precision="bfloat16")
    api.draw(GENERATOR, asked, RenderOptions(chunk=7))
    api.draw(GENERATOR, asked, engine=LocalEngine())
    assert given == [
        RenderOptions(chunk=7, precision="bfloat16"),
        RenderOptions(precision="bfloat16"),
    ]


def test_what_is_asked_for_now_goes_before_what_the_recipe_says() -> None:
    asked = replace(recipe(), exact=True, precision="bfloat16")
    now = api.options_of(asked, RenderOptions(chunk=7, precision="float32"))
    assert now == RenderOptions(exact=True, chunk=7, precision="float32")
    drawn = api.drawn_as(asked, RenderOptions(precision="float32"))
    assert (drawn.exact, drawn.precision) == (True, "float32")
    assert api.drawn_as(asked, RenderOptions()) == asked


def test_jobs_of_one_engine_share_what_they_know(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalEngine() as engine:
        first = engine.draw(work([1]))
        frames = list(first)
        second = engine.draw(work([1]))
        assert same(next(second), frames[0])
        assert first.outcome.cells > 0
        assert second.outcome.cells == 0
        other = small_generator(seed=1)
        assert not same(next(engine.draw(work([1], other))), frames[0])


def test_frames_are_drawn_when_they_are_asked_for() -> None:
    with api.draw(GENERATOR, recipe(), engine=LocalEngine()) as drawing:
        assert drawing.outcome.possible == 0
        next(drawing)
        assert drawing.outcome.possible > 0
        assert len(list(drawing)) == 4


def test_normals_come_along() -> None:
    [frame] = LocalEngine().draw(work([2], normals=True))
    assert frame.normal is not None


def test_what_is_delivered_is_what_would_be_drawn(tmp_path: Path) -> None:
    engine, drawn = LocalEngine(), list(LocalEngine().draw(work(range(5))))

    def put(k: int, frame: Frame) -> None:
        np.save(tmp_path / f"{k}.npy", frame.rgb)

    delivery = engine.deliver(work([4, 2]), put)
    assert next(delivery) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["4.npy"]
    assert list(delivery) == [2]
    assert delivery.outcome.possible == 2 * 40 * 40 * GENERATOR.spec.settings.network.samples
    for k in (4, 2):
        assert np.array_equal(np.load(tmp_path / f"{k}.npy"), drawn[k].rgb)
