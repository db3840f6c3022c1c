"""What the programs that check devices do alike."""

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


def tell_each(check: Callable[[str], None], cases: Iterable[str]) -> None:
    """Print a line for each case checked, so that the caller sees that none was left out."""
    for name in cases:
        check(name)
        print(name)
