"""Ctrl-C and SIGTERM as a request to stop between strips."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from types import MethodType
from typing import TYPE_CHECKING

from geopatcher.errors import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class StopSignal:
    """Remembers the first signal; the second one interrupts at once."""

    def __init__(self) -> None:
        self._heard: signal.Signals | None = None

    def requested(self) -> bool:
        """Whether a signal came."""
        return self._heard is not None

    def interruption(self, kept: str) -> InterruptedRunError:
        """Return what a run that stopped ends with; ``kept`` says what there is to go on from."""
        heard = self._heard or signal.SIGINT  # without a signal somebody else's watch asked
        return InterruptedRunError(f"stopped by {heard.name}; {kept}", heard)

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Take a signal.

        Raises
        ------
        KeyboardInterrupt
            It is the second one.

        """
        _ = frame
        if self._heard is not None:
            raise KeyboardInterrupt
        self._heard = signal.Signals(number)
        if sys.stderr is not None and sys.stderr.isatty():
            # Not print: a handler may interrupt a write to the same stream.
            os.write(2, b"\nstopping after this strip; once more stops at once\n")


@contextmanager
def stop_signals(*, catch: bool) -> Iterator[StopSignal]:
    """Turn SIGINT and SIGTERM into a request while the context is open.

    Only in the main thread, where Python delivers signals, and only where nobody else has a handler
    of their own or ignores the signal; a run within another one hears in its place. Afterwards the handlers
    are as before.
    """
    stop = StopSignal()
    before = {}
    if catch and threading.current_thread() is threading.main_thread():
        defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        for number, default in defaults.items():
            handler = signal.getsignal(number)
            outer = isinstance(handler, MethodType) and isinstance(handler.__self__, StopSignal)
            if outer or handler == default:
                before[number] = signal.signal(number, stop.hear)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
