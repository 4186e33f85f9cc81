"""What code that is not ours ends with: never the program, and never nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from geopatcher.core.containment import MAX_MESSAGE, StrayError, contained, of_a_signal, told
from geopatcher.engine.error_policy import ErrorPolicy, Failure, attempt, attempt_async


class Panic(BaseException):
    """As libraries written in Rust raise it."""


def raising(error):
    def call():
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit(0), "SystemExit(0), which would have ended the program"),
        (SystemExit(), "SystemExit(), which would have ended the program"),
        (GeneratorExit(), "GeneratorExit(), which would have ended the program"),
        (Panic("index out of bounds"), "Panic(index out of bounds), which would have ended the program"),
        (asyncio.CancelledError(), "CancelledError(), which would have ended the program"),
    ],
)
def test_what_is_no_exception_becomes_one(error, said):
    with pytest.raises(StrayError) as caught:
        contained(raising(error))
    assert (str(caught.value), told(caught.value)) == (said, said)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [ValueError("x"), StopIteration(3), MemoryError(), KeyboardInterrupt()])
def test_others_pass_as_they_are(error):
    with pytest.raises(type(error)) as caught:
        contained(raising(error))
    assert caught.value is error
    assert contained(lambda: 3) == 3


class UnreadableError(ValueError):
    def __str__(self):
        raise ZeroDivisionError


def test_every_error_can_be_told():
    assert told(UnreadableError()) == "UnreadableError: (its message cannot be read: ZeroDivisionError)"
    assert len(told(ValueError("x" * (1 << 26)))) < MAX_MESSAGE + 50
    assert (
        ErrorPolicy("skip")
        .record(UnreadableError(), (0, 0), "operator", 1)
        .message.startswith("UnreadableError: ")
    )


class Handler:
    def handle(self, number, frame):
        sys.exit(number)

    def __call__(self, *arguments):
        sys.exit(3)


@pytest.mark.parametrize("handler", [lambda *_: sys.exit(3), Handler().handle, Handler()])
def test_an_exit_from_a_handler_of_signals_is_the_programs_own(handler):
    before = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises(SystemExit) as caught:
            attempt(lambda: [os.kill(os.getpid(), signal.SIGTERM) for _ in range(9)], ErrorPolicy("skip"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert of_a_signal(caught.value)


def test_an_exit_counts_as_a_failure_like_others():
    exits = attempt(raising(SystemExit(0)), ErrorPolicy("skip"))
    assert isinstance(exits, Failure)
    record = ErrorPolicy("skip").record(exits.error, (3, 4), "operator", exits.attempts)
    assert record.message == "SystemExit(0), which would have ended the program"
    tries = []
    policy = ErrorPolicy("skip", max_retries=2, retry_on=(StrayError,))
    attempt(lambda: (tries.append(1), sys.exit(1)), policy, lambda seconds: None)
    assert len(tries) == 3


def test_awaited_calls_too_but_who_is_cancelled_is_cancelled():
    async def call(error):
        raise error

    async def tried(error):
        return await attempt_async(lambda: call(error), ErrorPolicy("skip"), asyncio.sleep)

    assert isinstance(asyncio.run(tried(SystemExit(0))).error, StrayError)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(tried(asyncio.CancelledError()))
