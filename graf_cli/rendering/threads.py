"""Parts of a picture on all cores of a processor, each core with its own.

PyTorch spreads every single operation over the cores and waits for the slowest of them each time;
rays need not wait for each other. Threads that each take some rays, one core an operation, leave
nothing undivided, and do not stand still when another program takes a core away.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import torch

P = TypeVar("P")
R = TypeVar("R")

_pools: dict[int, ThreadPoolExecutor] = {}
_own = threading.local()
if hasattr(os, "register_at_fork"):  # threads do not come along
    os.register_at_fork(after_in_child=_pools.clear)


class CancelledError(Exception):
    """Nobody waits for this part, or this picture, any more."""


def workers(device: torch.device) -> int:
    """How many threads share a picture on a device: as many as PyTorch may use cores."""
    if device.type != "cpu" or getattr(_own, "is_worker", False) or not _divisible():
        return 1
    return torch.get_num_threads()


@cache
def _divisible() -> bool:
    """Whether a thread can be told to use one core while another one uses several."""
    return "parallel backend: OpenMP" in torch.__config__.parallel_info()


def each(run: Callable[[P], R], parts: Sequence[P], count: int) -> list[R]:
    """``[run(part) for part in parts]`` by `count` threads; the first error of any is raised."""
    if count <= 1 or len(parts) <= 1:
        return [_unless_cancelled(run, part) for part in parts]
    cancelled, inference = threading.Event(), torch.is_inference_mode_enabled()
    events = (*_events(), cancelled)

    def work(part: P) -> R:
        _own.cancelled = events
        with torch.inference_mode(inference):
            return _unless_cancelled(run, part)

    futures = [_pool(count).submit(work, part) for part in parts]
    try:
        wait(futures)
        return [future.result() for future in futures]
    except BaseException:
        cancelled.set()
        _cancel(futures)
        raise


def _unless_cancelled(run: Callable[[P], R], part: P) -> R:
    check_cancelled()
    return run(part)


@contextmanager
def until(cancelled: threading.Event) -> Iterator[None]:
    """While the block runs, what this thread renders ends soon after the event is set.

    Raises
    ------
    CancelledError
        Inside of the block, from whatever renders then.
    """
    before = _events()
    _own.cancelled = (*before, cancelled)
    try:
        yield
    finally:
        _own.cancelled = before


def check_cancelled() -> None:
    """To be called now and then by what renders, so that it ends when it is given up.

    Raises
    ------
    CancelledError
    """
    if any(event.is_set() for event in _events()):
        raise CancelledError


def _events() -> tuple[threading.Event, ...]:
    """Those any of which ends what this thread does."""
    events: tuple[threading.Event, ...] = getattr(_own, "cancelled", ())
    return events


def _cancel(futures: Sequence[Future[R]]) -> None:
    for future in futures:
        future.cancel()


def _pool(count: int) -> ThreadPoolExecutor:
    """Threads that have one core each; kept, since to start some takes longer than a small part."""
    if count not in _pools:
        threads, ready = torch.get_num_threads(), threading.Barrier(count + 1)
        pool = ThreadPoolExecutor(count, "graf", _use_one_core)
        for _ in range(count):
            pool.submit(ready.wait)
        ready.wait()
        torch.set_num_threads(threads)  # what they set for themselves, they set for all of MKL too
        _pools[count] = pool
    return _pools[count]


def _use_one_core() -> None:
    torch.get_num_threads()  # PyTorch sets the number when a thread first asks for it
    torch.set_num_threads(1)
    _own.is_worker = True
