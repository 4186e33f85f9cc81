"""Ctrl-C and SIGTERM as a request to stop between strips."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class StopSignal:
    """Remembers the first signal; the second one interrupts at once."""

    def __init__(self) -> None:
        self.name = ""

    def requested(self) -> bool:
        """Whether a signal came."""
        return bool(self.name)

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Take a signal.

        Raises
        ------
        KeyboardInterrupt
            It is the second one.

        """
        _ = frame
        if self.name:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
        if sys.stderr is not None and sys.stderr.isatty():
            # Not print: a handler may interrupt a write to the same stream.
            os.write(2, b"\nstopping after this strip; once more stops at once\n")


@contextmanager
def stop_signals(*, catch: bool) -> Iterator[StopSignal]:
    """Turn SIGINT and SIGTERM into a request while the context is open.

    Only in the main thread, where Python delivers signals, and only where nobody else has a handler
    of their own or ignores the signal. Afterwards the handlers are as before.
    """
    stop = StopSignal()
    before = {}
    if catch and threading.current_thread() is threading.main_thread():
        defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        for number, default in defaults.items():
            if signal.getsignal(number) == default:
                before[number] = signal.signal(number, stop.hear)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
