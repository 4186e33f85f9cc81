"""Which blocks are missing: integer geometry only."""

from __future__ import annotations

import sys
from bisect import bisect_right
from typing import TYPE_CHECKING

from geopatcher.core.box import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Half-open spans of columns, ascending and apart.
Spans = tuple[tuple[int, int], ...]


class Finished:
    """Rectangles of whole blocks that are finished: for runs of equal rows of blocks, their spans of columns.

    A rectangle costs the same however tall it is; one in a file may claim to have any height.

    >>> done = Finished(8, [Box(0, 8, 0, 20), Box(8, 16, 0, 8)])
    >>> done.holds(Box(8, 16, 0, 8)), done.holds(Box(8, 16, 0, 9))
    (True, False)
    >>> [str(box) for box in done.missing(Box(0, 20, 0, 20))]
    ['rows 8:16, columns 8:20', 'rows 16:20, columns 0:20']
    """

    def __init__(self, block_rows: int, boxes: Iterable[Box] = ()) -> None:
        self._height = block_rows
        # The first row of blocks of each run, and the spans of columns that are finished in it.
        self._firsts = [-sys.maxsize]
        self._spans: list[Spans] = [()]
        for box in boxes:
            self.add(box)

    def add(self, box: Box) -> None:
        """Note one finished rectangle, which starts and ends where rows of blocks do."""
        self._change(box, lambda spans: _joined((*spans, (box.col0, box.col1))))

    def remove(self, box: Box) -> None:
        """Note that a rectangle is not finished after all."""
        self._change(box, lambda spans: _without(spans, ((box.col0, box.col1),)))

    def holds(self, box: Box) -> bool:
        """Whether every block of a rectangle is finished."""
        return next(self.missing(box), None) is None

    def missing(self, region: Box) -> Iterator[Box]:
        """Yield what of a region is not finished, as few rectangles as rows that miss the same allow."""
        held: dict[tuple[int, int], Box] = {}
        row, stop = self._rows(region)
        run = bisect_right(self._firsts, row) - 1
        while row < stop:
            last = self._firsts[run + 1] if run + 1 < len(self._firsts) else stop
            band = Box(row * self._height, min(last, stop) * self._height, region.col0, region.col1)
            band = band.intersect(region)
            gaps = _without(((region.col0, region.col1),), self._spans[run])
            for span in [span for span in held if span not in gaps]:
                yield held.pop(span)
            for lo, hi in gaps:
                above = held.get((lo, hi))
                held[lo, hi] = Box(band.row0 if above is None else above.row0, band.row1, lo, hi)
            row, run = last, run + 1
        yield from held.values()

    def _rows(self, box: Box) -> tuple[int, int]:
        """Return the first row of blocks a rectangle touches, and the one behind the last."""
        return box.row0 // self._height, -(-box.row1 // self._height)

    def _change(self, box: Box, change: Callable[[Spans], Spans]) -> None:
        """Change the spans of the rows of blocks a rectangle touches."""
        top, bottom = self._rows(box)
        if top >= bottom:
            return
        first, last = self._cut(top), self._cut(bottom)
        for run in range(first, last):
            self._spans[run] = change(self._spans[run])
        for run in range(last, first - 1, -1):  # runs that have become equal are one
            if self._spans[run] == self._spans[run - 1]:
                del self._firsts[run], self._spans[run]

    def _cut(self, row: int) -> int:
        """Let a run begin at a row of blocks; return its index."""
        run = bisect_right(self._firsts, row) - 1
        if self._firsts[run] != row:
            run += 1
            self._firsts.insert(run, row)
            self._spans.insert(run, self._spans[run - 1])
        return run


def _joined(spans: Spans) -> Spans:
    """Return spans in order, those that meet made one."""
    joined: list[tuple[int, int]] = []
    for lo, hi in sorted(spans):
        if joined and lo <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(hi, joined[-1][1]))
        else:
            joined.append((lo, hi))
    return tuple(joined)


def _without(spans: Spans, taken: Spans) -> Spans:
    """Return what is left of spans when others are taken out.

    >>> _without(((0, 10),), ((2, 4), (6, 20)))
    ((0, 2), (4, 6))
    """
    for low, high in taken:
        spans = tuple(
            piece
            for lo, hi in spans
            for piece in ((lo, min(hi, low)), (max(lo, high), hi))
            if piece[0] < piece[1]
        )
    return spans
