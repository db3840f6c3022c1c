"""A first signal is noted, a second one does what it did before."""

from __future__ import annotations

import signal
import threading

import pytest

from graf_cli.stopping import Ending, Terminated, after_the_picture_in_hand, at_once, terminate


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_a_first_signal_is_noted_and_a_second_one_ends(
    number: signal.Signals, error: type[BaseException]
) -> None:
    noted: list[int] = []
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        with after_the_picture_in_hand(lambda: noted.append(1)) as ending:
            signal.raise_signal(number)
            assert ending.asked
            with pytest.raises(error):
                signal.raise_signal(number)
        assert noted == [1]
        with pytest.raises(error):
            ending.check()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with after_the_picture_in_hand(lambda: None) as ending:
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    ending.check()


def test_other_threads_leave_signals_alone() -> None:
    seen: list[bool] = []

    def elsewhere() -> None:
        before = signal.getsignal(signal.SIGINT)
        with after_the_picture_in_hand(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT) == before)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [True]


def test_at_once_interrupts_wherever_it_is() -> None:
    with pytest.raises(KeyboardInterrupt), at_once() as ending:
        assert isinstance(ending, Ending)
        signal.raise_signal(signal.SIGINT)
    assert not ending.asked
