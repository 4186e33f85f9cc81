"""When datasets may be opened and read, after GDAL could not open a tile of a mosaic."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from geopatcher.formats.gdal_messages import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Local(threading.local):
    """How many datasets one thread has in its hands."""

    held: int = 0


class Turns:
    """Keeps readers waiting until GDAL has forgotten which tiles of mosaics it could not open.

    A tile that could not be opened is read as missing from then on, without an error, see
    `geopatcher.formats.gdal_environment.forget_tiles`; by mosaics that are open already, too. After such
    an error nobody begins to read until those who read are done and ``forget`` was called; what was read
    meanwhile is to be read again, where `failures` has grown.
    """

    def __init__(self, forget: Callable[[], None]) -> None:
        self._forget = forget
        self._changed = threading.Condition()
        self._local = _Local()
        self._busy = 0
        self._forgotten = FAILURES.count

    @property
    def failures(self) -> int:
        """How often GDAL said that a tile cannot be read."""
        return FAILURES.count

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait where that is needed, and count as a reader meanwhile; one that is one already never waits."""
        with self._changed:
            if not self._local.held:
                self._changed.wait_for(lambda: self._forgotten == self.failures or not self._busy)
                before = self.failures
                if self._forgotten != before:
                    self._forget()
                    self._forgotten = before
            self._busy += 1
        self._local.held += 1
        try:
            yield
        finally:
            self._local.held -= 1
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()
