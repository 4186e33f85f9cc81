"""Calls of code that is not ours: what it raises must not end the program, nor be lost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from geopatcher.errors.redaction import environment_secrets, redacted, scrub

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Longest message of an error that is repeated.
MAX_MESSAGE = 2_000


class StrayError(Exception):
    """Something called ended with what is no `Exception`: ``sys.exit()``, a panic of a Rust library."""


def contained(call: Callable[[], T]) -> T:
    """Call something that is not ours; whatever goes wrong in it is an `Exception`.

    `SystemExit` and its like mean "end the program", which is not for an operator to say: an exit
    code of 0 without a result would be taken for success. Ctrl-C passes, and so does what a handler of
    signals raises, which interrupts whatever runs.

    Raises
    ------
    StrayError
        The call ended with what is neither an `Exception` nor of a signal.

    Examples
    --------
    >>> import sys
    >>> contained(lambda: sys.exit(0))
    Traceback (most recent call last):
    geopatcher.core.containment.StrayError: SystemExit(0), which would have ended the program

    """
    try:
        return call()
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        if of_a_signal(error):
            raise
        raise stray(error) from error


def stray(error: BaseException) -> StrayError:
    """Return an error that stands for one that is no `Exception`."""
    return StrayError(f"{type(error).__name__}({_message(error)}), which would have ended the program")


def told(error: BaseException) -> str:
    """Return an error's kind and message in one text, whatever its own ``__str__`` does.

    Secrets are taken out of the text, and of the error itself.

    >>> told(ZeroDivisionError("division by zero")), told(stray(GeneratorExit()))
    ('ZeroDivisionError: division by zero', 'GeneratorExit(), which would have ended the program')
    """
    secrets = environment_secrets(os.environ)
    scrub(error, secrets=secrets)
    text = str(error) if isinstance(error, StrayError) else f"{type(error).__name__}: {_message(error)}"
    return redacted(text, secrets=secrets)


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - an error of an error: the first one is to be told
        return f"(its message cannot be read: {type(broken).__name__})"
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}..."


def of_a_signal(error: BaseException) -> bool:
    """Whether an error was raised by a handler of signals: one is given the frame it interrupts."""
    trace = error.__traceback__
    while trace is not None:
        frame, caller = trace.tb_frame, trace.tb_frame.f_back
        if caller is not None:
            given = list(frame.f_locals.values())
            given += [part for value in given if isinstance(value, tuple) for part in value]
            if any(value is caller for value in given):
                return True
        trace = trace.tb_next
    return False
