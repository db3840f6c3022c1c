"""Parts of work by threads that have one core each."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from graf_cli.rendering import threads
from graf_cli.rendering.threads import CancelledError, check_cancelled, each, until, workers
from tests.conftest import CPU


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_results_keep_their_order() -> None:
    assert each(lambda part: part * part, range(10), 3) == [part * part for part in range(10)]
    assert each(lambda part: part * part, range(3), 1) == [0, 1, 4]
    assert each(lambda part: part, [], 4) == []


def test_workers_have_one_core_each_and_the_caller_keeps_its_own() -> None:
    torch.set_num_threads(2)
    both = threading.Barrier(2)

    def alone(_: int) -> tuple[int, int, str]:
        both.wait(10)
        return torch.get_num_threads(), workers(CPU), threading.current_thread().name

    seen = each(alone, range(2), 2)
    assert [found[:2] for found in seen] == [(1, 1), (1, 1)]
    assert len({name for _, _, name in seen}) == 2
    assert torch.get_num_threads() == 2
    assert workers(CPU) in (1, 2)
    assert workers(torch.device("cuda")) == 1


def test_inference_mode_comes_along() -> None:
    with torch.inference_mode():
        assert each(lambda _: torch.is_inference_mode_enabled(), range(2), 2) == [True, True]
    assert each(lambda _: torch.is_inference_mode_enabled(), range(2), 2) == [False, False]


def test_an_error_is_raised_when_all_have_ended() -> None:
    ended = []

    def fails(part: int) -> None:
        if part == 0:
            raise KeyError(part)
        time.sleep(0.05)
        ended.append(part)

    with pytest.raises(KeyError):
        each(fails, range(2), 2)
    assert ended == [1]
    assert each(lambda part: part, range(2), 2) == [0, 1]


def test_what_nobody_waits_for_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Barrier(3)

    def long(_: int) -> None:
        try:
            while True:
                check_cancelled()
                time.sleep(0.001)
        except CancelledError:
            ended.wait(10)
            raise

    def interrupted(_: object) -> None:
        time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(threads, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        each(long, range(2), 2)
    ended.wait(10)


def test_what_a_thread_renders_ends_when_its_event_is_set() -> None:
    cancelled, begun = threading.Event(), []

    def work(part: int) -> int:
        begun.append(part)
        cancelled.set()
        return part

    for count in (1, 2):
        begun.clear()
        cancelled.clear()
        with pytest.raises(CancelledError), until(cancelled):
            each(work, range(50), count)
        assert len(begun) <= count
    cancelled.set()
    assert each(lambda part: part, range(3), 2) == [0, 1, 2], "elsewhere nothing is cancelled"
