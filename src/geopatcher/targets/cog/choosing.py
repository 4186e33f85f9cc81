"""Which of several codecs the tiles of a file have: tried on parts of some of them.

What is chosen follows from cells alone, whoever encoded which tile when, and is known for certain when all
tiles are there. Until then each writer goes by what it has tried itself, and tiles of which that was wrong
are encoded anew at the end.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from geopatcher.core.protocols import Array
    from geopatcher.targets.cog.encoders import TileCodec

#: Tiles of a grid on which codecs are tried, and the rows of each that are encoded for it.
TRIED, ROWS = 16, 32
#: Another predictor than the usual one is taken where it makes less than this of the bytes.
WORTH = 0.98
#: The level that is fast is taken where it makes at most this of the bytes of the usual one.
BEARABLE = 1.05
#: Places this far apart, in parts of all rows and all columns, spread evenly: powers of the plastic number.
APART = (1.3247179572447460**-1, 1.3247179572447460**-2)
#: Most codecs of which one is chosen: two levels, three predictors.
MOST = 6


def tried_places(places: tuple[int, int]) -> frozenset[tuple[int, int]]:
    """Return rows and columns of the tiles that are tried, of ``(rows, columns)`` of them.

    >>> sorted(tried_places((1, 3)))
    [(0, 0), (0, 1), (0, 2)]
    """
    rows, cols = (
        [int(length * ((number + 0.5) * apart % 1)) for number in range(TRIED)]
        for length, apart in zip(places, APART, strict=True)
    )
    return frozenset(zip(rows, cols, strict=True))


def sizes_of(codecs: Sequence[TileCodec], values: Array) -> Array:
    """Return the bytes of rows from the middle of ``(bands, h, w)`` by each codec; 0 behind the last."""
    first = max(0, (values.shape[1] - ROWS) // 2)
    rows = values[:, first : first + ROWS]
    sizes = np.zeros(MOST, np.int64)
    for number, codec in enumerate(codecs):
        sizes[number] = len(codec.encoder(rows.dtype, rows.shape)(rows))
    return sizes


def chosen(codecs: Sequence[TileCodec], sizes: Array) -> int:
    """Return the number of the codec to take, given the bytes each has made: the first where there are none.

    Predictors are compared at the first level, which is the fast one where there are two.

    >>> from geopatcher.targets.cog.encoders import TileCodec
    >>> codecs = [TileCodec("DEFLATE", level, predictor) for level in (1, 6) for predictor in (3, 1)]
    >>> sizes = ([100, 99, 98, 97], [100, 50, 98, 49], [100, 50, 98, 40])
    >>> [chosen(codecs, np.array(made)) for made in sizes]
    [0, 1, 3]
    """
    apart = len({codec.predictor for codec in codecs})
    best = int(np.argmin(sizes[:apart]))
    if sizes[best] >= WORTH * sizes[0]:
        best = 0
    if len(codecs) > apart and sizes[best] > BEARABLE * sizes[apart + best]:
        return apart + best
    return best


class Trials:
    """What one writer has tried of the tiles of an array; any thread may use it.

    ``tried`` are the rows and columns of the tiles that count.
    """

    def __init__(self, codecs: Sequence[TileCodec], tried: Container[tuple[int, int]]) -> None:
        self._codecs, self._tried = codecs, tried
        self._sizes = np.zeros(MOST, np.int64)
        self._lock = threading.Lock()

    @property
    def way(self) -> int:
        """The number of the codec that what was tried so far speaks for."""
        return chosen(self._codecs, self._sizes)

    def choose(self, place: tuple[int, int], values: Array) -> tuple[int, Array]:
        """Return the number of the codec for a tile, and the sizes that count for the file: 0 of most tiles.

        ``place`` is its row and column. The first tile of a writer is tried in any case.
        """
        codecs, counts = self._codecs, place in self._tried
        if len(codecs) == 1 or not (counts or not self._sizes.any()):
            return chosen(codecs, self._sizes), np.zeros(MOST, np.int64)
        sizes = sizes_of(codecs, values)
        with self._lock:
            self._sizes = self._sizes + sizes
        return chosen(codecs, self._sizes), sizes if counts else np.zeros(MOST, np.int64)
