"""What a check of devices has to catch, else it checks nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def all_are_caught(slips: Iterable[Callable[[], object]]) -> None:
    """Each slip, which a CPU forgives, fails.

    Raises
    ------
    AssertionError
        When one went through.
    """
    for slip in slips:
        try:
            slip()
        except Exception:  # of whatever type: what counts is that it fails
            continue
        raise AssertionError("mixing devices went through")
