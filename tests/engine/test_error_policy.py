"""One policy for reads and operators, in sync and async."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher
from geopatcher.engine.error_policy import ErrorPolicy, Failure, attempt, attempt_async
from geopatcher.errors import OperatorError

IMAGE = np.random.default_rng(5).integers(1, 200, (2, 96, 80), dtype=np.uint8)


class Flaky:
    """Fails a number of times, then works."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.left, self.error, self.calls = failures, error, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "here"


def run_sync(call, policy, sleeps):
    return attempt(call, policy, sleeps.append)


def run_async(call, policy, sleeps):
    async def awaited():
        return call()

    async def sleep(seconds):
        sleeps.append(seconds)

    return asyncio.run(attempt_async(awaited, policy, sleep))


@pytest.fixture(params=[run_sync, run_async])
def drive(request):
    return request.param


def test_retries_wait_twice_as_long_each_time_up_to_the_ceiling(drive):
    sleeps: list[float] = []
    policy = ErrorPolicy("retry", max_retries=5, backoff_s=1.0, max_delay_s=5.0)
    assert drive(Flaky(5, OSError("busy")), policy, sleeps) == "here"
    assert sleeps == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_what_is_not_named_is_not_tried_again(drive):
    flaky, sleeps = Flaky(1, ZeroDivisionError("no")), []
    with pytest.raises(ZeroDivisionError):
        drive(flaky, ErrorPolicy("retry", max_retries=5), sleeps)
    assert (flaky.calls, sleeps) == (1, [])


@pytest.mark.parametrize("on_error", ["raise", "retry"])
def test_when_retries_are_used_up_the_error_is_raised(drive, on_error):
    flaky = Flaky(9, TimeoutError("slow"))
    with pytest.raises(TimeoutError, match="slow"):
        drive(flaky, ErrorPolicy(on_error, max_retries=2), [])
    assert flaky.calls == 3


@pytest.mark.parametrize("on_error", ["skip", "mask"])
def test_when_retries_are_used_up_skip_and_mask_carry_on(drive, on_error):
    error = OSError("gone")
    assert drive(Flaky(9, error), ErrorPolicy(on_error, max_retries=2), []) == Failure(error, 3)


@pytest.mark.parametrize("on_error", ["skip", "mask"])
def test_a_wrong_shape_is_raised_whatever_the_policy(drive, on_error):
    flaky = Flaky(1, OperatorError("wrong shape"))
    with pytest.raises(OperatorError):
        drive(flaky, ErrorPolicy(on_error, max_retries=3, retry_on=(Exception,)), [])
    assert flaky.calls == 1


def test_interrupts_are_nobodys_to_skip(drive):
    class Stopper:
        def __call__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(Stopper(), ErrorPolicy("skip"), [])


@given(st.integers(1, 5000))
def test_delays_never_overflow(attempt_number):
    policy = ErrorPolicy("retry", max_retries=10_000)
    assert 0 < policy.decide(OSError(), attempt_number).delay_s <= policy.max_delay_s


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"on_error": "ignore"}, "on_error='ignore' is none of raise, skip, mask, retry"),
        ({"max_retries": -1}, "max_retries must be 0 or more, not -1"),
        ({"on_error": "retry"}, "never tries again with max_retries=0"),
    ],
)
def test_wrong_policies_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        ErrorPolicy(**arguments)
    with pytest.raises(ValueError, match=message):
        geopatcher.reconstruct(IMAGE, np.copy, size=16, **arguments)
