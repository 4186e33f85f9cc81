"""Stages in threads: bounded, in order, without a deadlock and without a thread left over."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.engine.pipeline import BackgroundWriter, prefetch, side_by_side
from geopatcher.errors import SourceError
from left_threads import no_thread_is_left

__all__ = ["no_thread_is_left"]  # a fixture of every test

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("max_bytes", [0, 1, 100, 10**9])
@given(sizes=st.lists(st.integers(0, 50), max_size=30))
def test_items_arrive_in_order_whatever_the_bound(max_bytes, sizes):
    with prefetch((size for size in sizes), lambda size: size, max_bytes) as stream:
        assert list(stream) == sizes


def test_no_more_waits_than_the_bound_allows():
    made, taken, waiting = [], [], []

    def produce():
        for number in range(50):
            made.append(number)
            yield number

    with prefetch(produce(), lambda _: 10, 35) as stream:
        for number in stream:
            time.sleep(0.002)
            waiting.append(len(made) - len(taken))
            taken.append(number)
    # Three wait, one is in the maker's hand and one in the taker's.
    assert max(waiting) <= 5
    assert taken == list(range(50))


def test_an_item_larger_than_the_bound_still_passes():
    with prefetch(iter_of(3), lambda _: 10**6, 10) as stream:
        assert list(stream) == [0, 1, 2]


def iter_of(n):
    yield from range(n)


@pytest.mark.parametrize("max_bytes", [0, 100])
def test_an_error_comes_where_its_item_would_have_come(max_bytes):
    def produce():
        yield 1
        yield 2
        raise KeyError("broken")

    with prefetch(produce(), lambda _: 1, max_bytes) as stream:
        assert (next(stream), next(stream)) == (1, 2)
        with pytest.raises(KeyError, match="broken"):
            next(stream)


@pytest.mark.parametrize("max_bytes", [0, 3])
def test_leaving_early_stops_and_closes_the_maker(max_bytes):
    closed = []

    def produce():
        try:
            yield from range(10**9)
        finally:
            closed.append(threading.current_thread().name)

    with prefetch(produce(), lambda _: 1, max_bytes) as stream:
        assert next(stream) == 0
    assert len(closed) == 1


def test_calls_left_behind_run_in_order_in_one_thread():
    ran = []
    behind = BackgroundWriter(pipelined=True)
    for number in range(20):
        behind.submit(lambda number=number: ran.append((number, threading.current_thread().name)))
    behind.finish()
    assert [number for number, _ in ran] == list(range(20))
    assert len({name for _, name in ran}) == 1
    assert threading.current_thread().name not in {name for _, name in ran}


def test_without_a_bound_calls_run_at_once():
    ran = []
    behind = BackgroundWriter(pipelined=False)
    behind.submit(lambda: ran.append(threading.current_thread()))
    assert ran == [threading.current_thread()]
    behind.finish()


@pytest.mark.parametrize("when", ["submit", "finish"])
def test_after_an_error_nothing_runs_and_it_is_raised(when):
    ran = []
    failed = threading.Event()

    def fail():
        failed.set()
        raise OSError("disk full")

    behind = BackgroundWriter(pipelined=True)
    behind.submit(fail)
    failed.wait(5)

    def submit_many():
        for _ in range(1000):
            behind.submit(lambda: ran.append(1))
            time.sleep(0.001)

    with pytest.raises(OSError, match="disk full"):
        behind.finish() if when == "finish" else submit_many()
    assert ran == []
    behind.settle()


def test_a_call_is_handed_over_when_the_one_before_has_ended():
    go, events = threading.Event(), []
    behind = BackgroundWriter(pipelined=True)

    def slow():
        go.wait(5)
        events.append("slow ends")

    behind.submit(slow)
    events.append("meanwhile")
    threading.Timer(0.05, go.set).start()
    behind.submit(lambda: events.append("next"))
    assert events[:2] == ["meanwhile", "slow ends"]
    behind.finish()
    assert events == ["meanwhile", "slow ends", "next"]


def test_settling_waits_for_what_has_begun():
    started, go, ran = threading.Event(), threading.Event(), []

    def slow():
        started.set()
        go.wait(5)
        ran.append("slow")

    behind = BackgroundWriter(pipelined=True)
    behind.submit(slow)
    started.wait(5)
    threading.Timer(0.05, go.set).start()
    behind.settle()
    assert ran == ["slow"]


@given(st.lists(st.integers(), max_size=20), st.integers(1, 6))
def test_calls_side_by_side_come_in_order(items, ahead):
    with side_by_side(lambda item: item * 2, items, ahead) as stream:
        assert list(stream) == [item * 2 for item in items]


def test_no_more_calls_are_on_their_way_than_asked_for():
    lock, flying, most, begun = threading.Lock(), [], [], []

    def make(item):
        with lock:
            flying.append(item)
            begun.append(item)
            most.append(len(flying))
        time.sleep(0.002)
        with lock:
            flying.remove(item)
        return item

    with side_by_side(make, range(30), 4) as stream:
        for number, _ in enumerate(stream):
            assert len(begun) <= number + 1 + 4
    assert 1 < max(most) <= 4


def test_an_error_comes_in_its_place_and_nothing_more_is_begun():
    begun = []

    def make(item):
        begun.append(item)
        if item == 3:
            raise SourceError("no")
        return item

    seen = []
    with pytest.raises(SourceError), side_by_side(make, range(100), 2) as stream:
        seen += stream
    with side_by_side(make, range(100), 2) as stream:
        seen = [next(stream)]
    assert seen == [0]
    assert len(begun) < 20
