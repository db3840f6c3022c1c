"""One renderer, shared fairly."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from graf_cli.rendering.threads import check_cancelled
from graf_cli.viewer.turns import PATIENCE, Turns

SECONDS = 20  # until a test gives up


@pytest.fixture
def turns() -> Iterator[Turns]:
    made = Turns()
    yield made
    made.close()


class Busy:
    """A picture that takes until it is let go, or cancelled."""

    def __init__(self) -> None:
        self.begun, self.go, self.times = threading.Event(), threading.Event(), 0

    def __call__(self) -> None:
        self.times += 1
        self.begun.set()
        while not self.go.wait(0.001):
            check_cancelled()


def fails(error: Exception) -> None:
    raise AssertionError(error)


def test_what_is_newer_takes_the_place_of_what_is_older(turns: Turns) -> None:
    done: list[int] = []
    busy = Busy()
    turns.put("a", "exact", busy, fails)
    assert busy.begun.wait(SECONDS)
    old = [turns.put("b", "preview", lambda k=k: done.append(k), fails) for k in range(3)]  # type: ignore[misc]
    busy.go.set()
    assert old[-1].ended.wait(SECONDS)
    assert done == [2]
    assert [task.given_up for task in old] == [True, True, False]


def test_a_running_picture_is_given_up_at_once(turns: Turns) -> None:
    busy = Busy()
    task = turns.put("a", "exact", busy, fails)
    assert busy.begun.wait(SECONDS)
    turns.drop("a", "exact")
    after = turns.put("a", "exact", lambda: None, fails)
    assert after.ended.wait(SECONDS)
    assert task.given_up
    assert busy.times == 1


def test_what_moves_breaks_into_anothers_picture_but_not_for_ever(turns: Turns) -> None:
    busy = Busy()
    task = turns.put("a", "exact", busy, fails, 2)
    for _ in range(PATIENCE):
        assert busy.begun.wait(SECONDS)
        busy.begun.clear()
        moved = turns.put("b", "preview", lambda: None, fails, 0)
        assert moved.ended.wait(SECONDS), "at once"
    assert busy.begun.wait(SECONDS)
    last = turns.put("b", "preview", lambda: None, fails, 0)
    busy.go.set()
    assert last.ended.wait(SECONDS)
    assert task.ended.wait(SECONDS)
    assert not task.given_up
    assert busy.times == PATIENCE + 1


def test_who_was_rendered_for_least_comes_next(turns: Turns) -> None:
    order: list[str] = []
    first = Busy()
    turns.put("a", "one", first, fails)
    assert first.begun.wait(SECONDS)
    tasks = [turns.put("a", f"{k}", lambda: order.append("a"), fails) for k in range(3)]
    tasks += [turns.put("b", f"{k}", lambda: order.append("b"), fails) for k in range(3)]
    first.go.set()
    for task in tasks:
        assert task.ended.wait(SECONDS)
    assert order[0] == "b", "a has had its time"


def test_an_error_is_told_and_the_next_one_is_made(turns: Turns) -> None:
    told: list[Exception] = []

    def breaks() -> None:
        raise KeyError("x")

    assert turns.put("a", "one", breaks, told.append).ended.wait(SECONDS)
    assert turns.put("a", "two", lambda: None, fails).ended.wait(SECONDS)
    assert [type(error) for error in told] == [KeyError]


def test_the_end_gives_all_up() -> None:
    turns, busy = Turns(), Busy()
    running = turns.put("a", "one", busy, fails)
    assert busy.begun.wait(SECONDS)
    waiting = turns.put("b", "one", lambda: None, fails)
    turns.close()
    late = turns.put("c", "one", lambda: None, fails)
    assert [task.given_up for task in (running, waiting, late)] == [True, True, True]
