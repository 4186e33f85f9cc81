"""Opening rasters without a georeference is normal here; rasterio warns of it."""

from __future__ import annotations

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
