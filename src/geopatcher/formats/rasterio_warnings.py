"""Warnings: one of rasterio's that tells nobody anything here, and where our own point."""

from __future__ import annotations

import inspect
import os
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rasterio.errors import NotGeoreferencedWarning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class _Kept:
    """Keeps kinds of warnings back as long as anybody wants it, in any thread.

    Filters of warnings belong to the process: threads that change and restore them one by one could leave
    them changed. So the first who comes changes them, and the last who goes puts back what there was: nobody
    waits for one who opens a file elsewhere.
    """

    def __init__(self) -> None:
        self._before: warnings.catch_warnings[None] | None = None
        self.forget()

    def forget(self) -> None:
        """In a forked child nobody else wants it, and the lock may have been held."""
        self._lock, self._users = threading.Lock(), 0
        self._put_back()

    @contextmanager
    def back(self, kind: type[Warning]) -> Iterator[None]:
        with self._lock:
            self._users += 1
            if self._before is None:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
            warnings.simplefilter("ignore", kind)  # which is a filter once, however often it is asked for
        try:
            yield
        finally:
            with self._lock:
                self._users = max(0, self._users - 1)
                if not self._users:
                    self._put_back()

    def _put_back(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            before.__exit__(None, None, None)


_KEPT = _Kept()
os.register_at_fork(after_in_child=_KEPT.forget)


def no_georeference_warning() -> AbstractContextManager[None]:
    """Keep rasterio's `NotGeoreferencedWarning` from the user while one of our own files is opened."""
    return _KEPT.back(NotGeoreferencedWarning)


def no_affine_warning() -> AbstractContextManager[None]:
    """Keep from the user what affine 3 says of how rasterio 1.4 multiplies transforms."""
    return _KEPT.back(PendingDeprecationWarning)


def caller_level() -> int:
    """Return the ``stacklevel`` by which a warning, given where this is called, points outside this package.

    Such is the line that asked for a run, however deep in the run the warning comes.
    """
    package = __name__.partition(".")[0]
    frame, level = inspect.currentframe(), -1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    return max(1, level + 1)
