"""Requests side by side: a rectangle of a raster that lies elsewhere is read in pieces, in several threads.

One request of a whole strip waits for the network once for every strip, and gets what one connection gives.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from geopatcher.core.box import Box

#: Reads of a raster elsewhere that are on their way together: what is computed of them takes longer than an
#: answer from another continent.
READS_AT_ONCE = 7
#: Pieces into which one of them is cut that is waited for, and into which those are that come behind it.
MOST_PIECES, FEW_PIECES = 8, 4
#: Pieces that this process fetches at once, of all its sources together.
IN_FLIGHT = MOST_PIECES + (READS_AT_ONCE - 1) * FEW_PIECES
#: Files elsewhere that are opened, or asked for their versions, at the same time.
FILES_AT_ONCE = 24
#: Fewest blocks of the storage across a piece: of one alone GDAL fetches more than its bytes, and those
#: side by side mostly come in one request.
LEAST_BLOCKS = 2


class _Threads:
    """Threads that wait for servers, made when they are first needed, and anew in a forked child."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew: the threads of a parent do not run in a child."""
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._n_reads = 0

    def run(self, calls: Sequence[Callable[[], None]]) -> None:
        """Make all calls, and raise the error of the first that failed when all have ended."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(IN_FLIGHT, "geopatcher-fetch")
            started = [self._pool.submit(call) for call in calls]
        wait(started)
        for each in started:
            each.result()

    def begin(self) -> int:
        """Count a read; returns how many others there are."""
        with self._lock:
            self._n_reads += 1
            return self._n_reads - 1

    def end(self) -> None:
        """Count it no more."""
        with self._lock:
            self._n_reads -= 1


_THREADS = _Threads()
os.register_at_fork(after_in_child=_THREADS.forget)


@contextmanager
def one_read() -> Iterator[int]:
    """Give into how many pieces to cut a read that lasts as long as this: few where others are on their way.

    >>> with one_read() as first, one_read() as second:
    ...     first, second
    (8, 4)
    """
    others = _THREADS.begin()
    try:
        yield FEW_PIECES if others else MOST_PIECES
    finally:
        _THREADS.end()


def pieces(box: Box, block: tuple[int, int], most: int = MOST_PIECES) -> list[Box]:
    """Cut a rectangle along the lines of ``(height, width)`` blocks, into ``most`` pieces at most.

    It is cut across the side on which more blocks lie.

    >>> from geopatcher.core.box import Box
    >>> [str(piece) for piece in pieces(Box(0, 512, 0, 2300), (512, 512))]
    ['rows 0:512, columns 0:1024', 'rows 0:512, columns 1024:2300']
    >>> len(pieces(Box(0, 512, 0, 10980), (512, 512))), len(pieces(Box(0, 300, 0, 300), (512, 512)))
    (8, 1)
    """
    (height, width), spans = block, ((box.row0, box.row1), (box.col0, box.col1))
    counts = [-(-hi // size) - lo // size for (lo, hi), size in zip(spans, (height, width), strict=True)]
    axis = 0 if counts[0] > counts[1] else 1
    n_pieces = max(1, min(most, counts[axis] // LEAST_BLOCKS))
    (lo, hi), size = spans[axis], block[axis]
    lines = [(lo // size + counts[axis] * number // n_pieces) * size for number in range(1, n_pieces)]
    edges = pairwise([lo, *lines, hi])
    if axis == 0:
        return [replace(box, row0=start, row1=stop) for start, stop in edges]
    return [replace(box, col0=start, col1=stop) for start, stop in edges]


def side_by_side(calls: Sequence[Callable[[], None]]) -> None:
    """Make calls at the same time, up to `IN_FLIGHT`; a single one in the caller's thread.

    Raises
    ------
    Exception
        What the first of them raised, when all have ended.

    """
    if len(calls) == 1:
        calls[0]()
    else:
        _THREADS.run(calls)
