"""What every engine promises: one set of tests for all of them."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from graf_cli.engine.contract import Engine
from graf_cli.engine.local import LocalEngine
from graf_cli.errors import OutputError
from graf_cli.rendering.fast.proof import PROMISE, Outcome
from tests.conftest import small_generator
from tests.engine.conftest import work
from tests.engine.files import Files, Shared, same

WORKERS = 2


@pytest.fixture(params=["local", "ray"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    if request.param == "local":
        return LocalEngine()
    found: Engine = request.getfixturevalue("ray_engine")
    return found


def ahead(engine: Engine) -> int:
    """How many pictures an engine may make before they are asked for."""
    if isinstance(engine, LocalEngine):
        return 0
    from graf_cli.engine.dispatch import AHEAD

    return AHEAD * WORKERS


def test_frames_come_in_the_order_that_was_asked_for(engine: Engine) -> None:
    whole = list(LocalEngine().draw(work()))
    pictures = random.Random(0).sample(range(24), 24)
    with engine.draw(work(pictures)) as drawing:
        drawn = list(drawing)
    assert len(drawn) == 24
    assert all(same(frame, whole[k]) for k, frame in zip(pictures, drawn, strict=True))


@pytest.mark.parametrize("size", [8, 40])  # without a grid, and with one
def test_pictures_are_the_same_to_the_last_bit(engine: Engine, size: int) -> None:
    whole = list(LocalEngine().draw(work(size=size)))
    with engine.draw(work([7, 8, 1], size=size)) as drawing:
        assert all(same(frame, whole[k]) for k, frame in zip((7, 8, 1), drawing, strict=True))


def test_frames_can_be_changed_and_carry_normals(engine: Engine) -> None:
    wanted = next(LocalEngine().draw(work([2], normals=True)))
    with engine.draw(work([2], normals=True)) as drawing:
        frame = next(drawing)
    assert frame.normal is not None
    assert wanted.normal is not None
    assert (frame.normal == wanted.normal).all()
    frame.rgb[:] = 0
    assert frame.shot.key == wanted.shot.key


@pytest.mark.parametrize("kind", [Files, Shared])
def test_each_picture_is_put_once(engine: Engine, tmp_path: Path, kind: type[Files]) -> None:
    put = kind(tmp_path)
    with engine.deliver(work(), put) as delivery:
        assert list(delivery) == list(range(24))
    assert put.puts() == dict.fromkeys(range(24), 1)
    assert put.holds(list(LocalEngine().draw(work())))
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_made_long_before_it_is_asked_for(engine: Engine, tmp_path: Path) -> None:
    put = Shared(tmp_path)
    with engine.deliver(work(), put) as delivery:
        for taken in range(1, 4):
            next(delivery)
            time.sleep(0.3)
            assert taken <= put.puts().total() <= taken + ahead(engine)


def test_an_error_comes_when_it_is_its_turn(engine: Engine, tmp_path: Path) -> None:
    put = Shared(tmp_path, full_at=5)
    with engine.deliver(work(), put) as delivery:
        assert [next(delivery) for _ in range(5)] == list(range(5))
        with pytest.raises(OutputError, match=r"^There is no room for picture 5\.$"):
            next(delivery)
    assert not list(tmp_path.glob(".*"))


def test_how_it_was_done_adds_up(engine: Engine) -> None:
    with LocalEngine().draw(work()) as alone:
        list(alone)
    with engine.draw(work()) as drawing:
        assert drawing.outcome == Outcome()
        for taken, _ in enumerate(drawing, 1):
            assert drawing.outcome.possible == taken * alone.outcome.possible // 24
    assert drawing.outcome.path == alone.outcome.path
    assert drawing.outcome.evaluated == alone.outcome.evaluated
    assert drawing.outcome.probed >= alone.outcome.probed
    assert drawing.outcome.difference <= PROMISE


def test_a_job_can_end_early_and_another_follow(engine: Engine, tmp_path: Path) -> None:
    put = Shared(tmp_path)
    with engine.deliver(work(), put) as delivery:
        next(delivery)
        next(delivery)
    put_then = put.puts()
    assert not [*tmp_path.glob(".*"), *tmp_path.glob("*.part")]
    with engine.deliver(work(range(20, 24)), put) as delivery:
        assert list(delivery) == [20, 21, 22, 23]
    later = put.puts() - put_then
    assert set(later) == {20, 21, 22, 23}


def test_no_pictures_are_no_work(engine: Engine) -> None:
    with engine.draw(work([])) as drawing:
        assert list(drawing) == []


def test_another_model_may_follow(engine: Engine) -> None:
    other = small_generator(seed=1)
    wanted = next(LocalEngine().draw(work([3], other)))
    with engine.draw(work([3], other)) as drawing:
        assert same(next(drawing), wanted)
