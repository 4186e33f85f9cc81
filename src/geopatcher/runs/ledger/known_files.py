"""What a ledger knows of the files of blocks: of each row of blocks what was written last, and no more."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.core.box import Box
    from geopatcher.targets.digests import Digests


class Known(NamedTuple):
    """What is known of the files of a part of one row of blocks."""

    box: Box
    digests: Digests


@dataclass
class KnownFiles:
    """What was written last of each row of blocks, by overview level: 0 for the result, from 1 for others.

    ``block`` is ``(height, width)`` of what lies in one file. What is written again takes the place of
    what was written before, so that no more is held than the result has files, however often a ledger
    speaks of them.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher.core.box import Box
    >>> known = KnownFiles((8, 8))
    >>> for size in (5, 6):
    ...     known.add(0, Box(0, 8, 0, 16), {"data": np.full((1, 1, 2, 3), size)})
    >>> known.add(0, Box(0, 8, 8, 16), {"data": np.full((1, 1, 1, 3), 7)})
    >>> [(str(box), int(digests["data"].max())) for box, digests in known.rows(0)]
    [('rows 0:8, columns 0:8', 6), ('rows 0:8, columns 8:16', 7)]

    """

    block: tuple[int, int]
    _levels: dict[int, dict[int, list[Known]]] = field(default_factory=dict)

    @property
    def levels(self) -> list[int]:
        """The levels of whose files something is known."""
        return sorted(self._levels)

    def add(self, level: int, box: Box, digests: Digests) -> None:
        """Note what a box of whole blocks holds; ``digests`` are of its rows and columns of files."""
        height = self.block[0]
        first, stop = box.row0 // height, -(-box.row1 // height)
        rows = self._levels.setdefault(level, {})
        for number in range(first, stop):
            row = replace(box, row0=number * height, row1=min((number + 1) * height, box.row1))
            # A view would keep all the rows alive, as long as one of them counts.
            own = {
                name: array if stop - first == 1 else array[:, number - first : number - first + 1].copy()
                for name, array in digests.items()
            }
            self._put(rows.setdefault(number, []), Known(row, own))

    def _put(self, pieces: list[Known], piece: Known) -> None:
        """Put a piece among those of its row, which are in order and apart; it hides what was there."""
        lo, hi = piece.box.col0, piece.box.col1
        first = bisect_right(pieces, lo, key=lambda known: known.box.col1)
        last = bisect_left(pieces, hi, key=lambda known: known.box.col0)
        left = [self._part(known, known.box.col0, lo) for known in pieces[first:last] if known.box.col0 < lo]
        right = [self._part(known, hi, known.box.col1) for known in pieces[first:last] if known.box.col1 > hi]
        pieces[first:last] = [*left, piece, *right]

    def _part(self, known: Known, lo: int, hi: int) -> Known:
        """Return some columns of a piece."""
        width, start = self.block[1], known.box.col0
        cols = slice((lo - start) // width, -(-(hi - start) // width))
        part = replace(known.box, col0=lo, col1=hi)
        return Known(part, {name: array[:, :, cols].copy() for name, array in known.digests.items()})

    def rows(self, level: int) -> Iterator[Known]:
        """Yield what is known of the files of a level, row by row of blocks."""
        for _, pieces in sorted(self._levels.get(level, {}).items()):
            yield from pieces

    def forget_levels(self) -> None:
        """Forget what is known of overview levels."""
        self._levels = {level: rows for level, rows in self._levels.items() if not level}
