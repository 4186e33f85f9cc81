"""What tells an array from others: a digest of all its pixels."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.engine.reading import Reader
from geopatcher.engine.rows import read_units
from geopatcher.engine.stats import RunStats

if TYPE_CHECKING:
    from geopatcher.core.protocols import PixelSource

#: Rows digested at once.
DIGEST_ROWS = 256


def digest_of_pixels(source: PixelSource) -> str:
    """Return a digest of every pixel of a source."""
    domain, found = source.domain, hashlib.blake2b(digest_size=16)
    for unit in read_units(Reader(source, RunStats()), Box.of_shape(domain.grid_shape), DIGEST_ROWS):
        found.update(np.ascontiguousarray(unit.pixels).view(np.uint8).data)
        if unit.valid is not None:
            found.update(np.packbits(unit.valid).data)
    return found.hexdigest()
