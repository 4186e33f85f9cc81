"""One stream for several who each take all of it."""

from __future__ import annotations

import threading

import pytest

from geopatcher.patchers.fan_out import WAITING, fan_out


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("geopatcher-merge")]


@pytest.mark.parametrize("n", [0, 1, 1000])
def test_each_takes_all(n):
    takers = {"list": list, "sum": sum, "sorted": sorted}
    assert fan_out(iter(range(n)), takers) == {
        "list": [*range(n)],
        "sum": sum(range(n)),
        "sorted": [*range(n)],
    }
    assert fan_out(iter(range(n)), {"list": list}) == {"list": [*range(n)]}
    assert threads() == []


def test_nobody_runs_far_ahead():
    made = 0
    slowest = threading.Event()

    def items():
        nonlocal made
        while made < 100:
            made += 1
            yield made

    def slow(stream):
        next(stream)
        slowest.wait(0.1)
        assert made <= WAITING + 3
        return sum(1 for _ in stream) + 1

    assert fan_out(items(), {"slow": slow, "fast": lambda stream: sum(1 for _ in stream)}) == {
        "slow": 100,
        "fast": 100,
    }


@pytest.mark.parametrize("after", [0, 1, 50])
def test_one_who_fails_is_told_of_and_stops_the_others(after):
    def failing(stream):
        for number in stream:
            if number == after:
                raise KeyError("broken")

    def closing(stream):
        next(stream)
        stream.close()
        raise KeyError("broken")

    for taker in (failing, closing):
        with pytest.raises(KeyError, match="broken"):
            fan_out(iter(range(10_000)), {"a": taker, "b": list, "c": sum})
        assert threads() == []


def test_one_who_stops_early_does_not_hold_up_the_others():
    assert fan_out(iter(range(1000)), {"first": next, "all": sum}) == {"first": 0, "all": 499500}


def test_items_that_fail_are_told_of():
    def items():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        fan_out(items(), {"a": list, "b": list})
    assert threads() == []
