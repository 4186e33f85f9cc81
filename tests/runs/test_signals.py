from __future__ import annotations

import os
import signal
import threading

import pytest

from doubling import (
    Double,
    run,
)
from geopatcher.errors import InterruptedRunError
from geopatcher.runs.signals import StopSignal, stop_signals


def test_the_second_signal_stops_at_once(tmp_path):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    operator = Double(90, twice)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(tmp_path / "x.zarr", operator)
    assert not isinstance(caught.value, InterruptedRunError)
    assert operator.calls == 90


def test_a_result_in_memory_is_interrupted_at_once():
    operator = Double(90, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt) as caught:
        run(None, operator)
    assert not isinstance(caught.value, InterruptedRunError)
    assert operator.calls == 90


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_stop_and_the_next_one_interrupts(number):
    before = signal.getsignal(number)
    with stop_signals(catch=True) as stop:
        assert not stop.requested()
        os.kill(os.getpid(), number)
        assert stop.requested()
        error = stop.interruption("go on from here")
        assert (str(error), error.signal_number) == (f"stopped by {number.name}; go on from here", number)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_run_within_another_hears_in_its_place():
    with stop_signals(catch=True) as outer:
        with stop_signals(catch=True) as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            assert inner.requested()
        assert not outer.requested()
        os.kill(os.getpid(), signal.SIGTERM)
        assert outer.requested()


def test_nothing_is_caught_where_that_is_not_wanted_or_somebody_else_does():
    def mine(*_):
        pass

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with stop_signals(catch=True) as stop:
            assert signal.getsignal(signal.SIGTERM) is mine
            assert signal.getsignal(signal.SIGINT) == stop.hear
        with stop_signals(catch=False):
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_leaves_handlers_alone():
    found = []

    def look():
        with stop_signals(catch=True):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


def test_without_a_signal_it_is_as_if_ctrl_c_had_come():
    assert str(StopSignal().interruption("kept")) == "stopped by SIGINT; kept"
