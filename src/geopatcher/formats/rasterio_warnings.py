"""Warnings: one of rasterio's that tells nobody anything here, and where our own point."""

from __future__ import annotations

import inspect
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rasterio.errors import NotGeoreferencedWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

# Filters of warnings belong to the process: two threads that change and restore them at once could
# leave them changed. Opening is quick, so only one of ours does at a time; it may do so twice over.
_LOCK = threading.RLock()


@contextmanager
def no_georeference_warning() -> Iterator[None]:
    """Keep rasterio's `NotGeoreferencedWarning` from the user while one of our own files is opened."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def no_affine_warning() -> Iterator[None]:
    """Keep from the user what affine 3 says of how rasterio 1.4 multiplies transforms."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        yield


def caller_level() -> int:
    """Return the ``stacklevel`` by which a warning, given where this is called, points outside this package.

    Such is the line that asked for a run, however deep in the run the warning comes.
    """
    package = __name__.partition(".")[0]
    frame, level = inspect.currentframe(), -1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    return max(1, level + 1)
