"""Which blocks are missing: integer geometry only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Half-open spans of columns, ascending and apart.
Spans = tuple[tuple[int, int], ...]


class Finished:
    """Rectangles of whole blocks that are finished, kept as spans of columns per row of blocks.

    >>> done = Finished(8, [Box(0, 8, 0, 20), Box(8, 16, 0, 8)])
    >>> done.holds(Box(8, 16, 0, 8)), done.holds(Box(8, 16, 0, 9))
    (True, False)
    >>> [str(box) for box in done.missing(Box(0, 20, 0, 20))]
    ['rows 8:16, columns 8:20', 'rows 16:20, columns 0:20']
    """

    def __init__(self, block_rows: int, boxes: Iterable[Box] = ()) -> None:
        self._height = block_rows
        self._spans: dict[int, Spans] = {}
        for box in boxes:
            self.add(box)

    def add(self, box: Box) -> None:
        """Note one finished rectangle, which starts and ends where rows of blocks do."""
        for row in range(box.row0 // self._height, -(-box.row1 // self._height)):
            spans = (*self._spans.get(row, ()), (box.col0, box.col1))
            self._spans[row] = _joined(spans)

    def remove(self, box: Box) -> None:
        """Note that a rectangle is not finished after all."""
        for row in range(box.row0 // self._height, -(-box.row1 // self._height)):
            self._spans[row] = _without(self._spans.get(row, ()), ((box.col0, box.col1),))

    def holds(self, box: Box) -> bool:
        """Whether every block of a rectangle is finished."""
        rows = range(box.row0 // self._height, -(-box.row1 // self._height))
        return all(not _without(((box.col0, box.col1),), self._spans.get(row, ())) for row in rows)

    def missing(self, region: Box) -> Iterator[Box]:
        """Yield what of a region is not finished, as few rectangles as rows that miss the same allow."""
        held: dict[tuple[int, int], Box] = {}
        for row in range(region.row0 // self._height, -(-region.row1 // self._height)):
            band = Box(row * self._height, (row + 1) * self._height, region.col0, region.col1)
            band = band.intersect(region)
            gaps = _without(((region.col0, region.col1),), self._spans.get(row, ()))
            for span in [span for span in held if span not in gaps]:
                yield held.pop(span)
            for lo, hi in gaps:
                above = held.get((lo, hi))
                held[(lo, hi)] = Box(band.row0 if above is None else above.row0, band.row1, lo, hi)
        yield from held.values()


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
