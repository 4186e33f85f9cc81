"""Patches in blocks that stay in a core's own cache while several steps go over them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Cells of a block: 128 KiB of float32, several of which fit into the second-level cache of a core.
BLOCK_CELLS = 1 << 15


def block_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the ``(bands, rows, columns)`` of the blocks of an array ``(bands, h, w)``: whole rows.

    >>> block_shape((10, 256, 256)), block_shape((10, 64, 64)), block_shape((3, 2, 100_000))
    ((1, 128, 256), (8, 64, 64), (1, 1, 100000))
    """
    bands, height, width = shape
    rows = max(1, min(height, BLOCK_CELLS // max(width, 1)))
    together = BLOCK_CELLS // (rows * max(width, 1)) if rows == height else 1
    return max(1, min(bands, together)), rows, width


def block_cells(shape: tuple[int, ...]) -> int:
    """Return the cells of the largest block of an array ``(bands, h, w)``.

    >>> block_cells((10, 256, 256))
    32768
    """
    return math.prod(block_shape(shape))


def cache_blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Yield the bands and rows of each block; those with the same rows follow each other.

    >>> [(bands.start, rows.stop) for bands, rows in cache_blocks((2, 256, 256))]
    [(0, 128), (1, 128), (0, 256), (1, 256)]
    """
    bands, height, _ = shape
    together, rows, _ = block_shape(shape)
    for top in range(0, height, rows):
        for first in range(0, bands, together):
            yield slice(first, min(first + together, bands)), slice(top, min(top + rows, height))
