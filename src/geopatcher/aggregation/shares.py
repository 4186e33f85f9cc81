"""How much each patch counts against those before it: the steps of running means.

On a lattice these are the same few arrays for all patches but those near the edges.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.aggregation.base import Taper
    from geopatcher.box import Box
    from geopatcher.protocols import Array

#: A patch's taper and, of each patch before it that lies over some of its cells, the distance and the taper.
Pattern: TypeAlias = "tuple[Taper, tuple[tuple[int, int, Taper], ...]]"

#: Arrays kept at most: those of a lattice's corners, edges and middle.
MAX_KEPT = 9
#: Their bytes at most, beyond the fewest.
MAX_KEPT_BYTES = 64 << 20
#: Arrays kept at least: those of a row's left end, middle and right end.
MIN_KEPT = 3
#: Patches over one patch beyond which finding them takes longer than adding up weights.
MAX_BEFORE = 128
#: Patterns made before it is asked whether they are ever met again.
PATIENCE = 64


def kept_arrays(patch_bytes: int) -> int:
    """Return how many arrays of shares are kept, for patches of so many bytes each.

    >>> kept_arrays(1 << 18), kept_arrays(1 << 24), kept_arrays(1 << 30)
    (9, 4, 3)
    """
    return max(MIN_KEPT, min(MAX_KEPT, MAX_KEPT_BYTES // patch_bytes))


class _Come(NamedTuple):
    box: Box
    tapers: Sequence[Taper]


@dataclass(slots=True)
class _Row:
    """Patches whose first row is the same, in the order they came."""

    row0: int
    row1: int = 0
    widest: int = 0
    ascending: bool = True
    columns: list[int] = field(default_factory=list)
    come: list[_Come] = field(default_factory=list)

    def add(self, box: Box, tapers: Sequence[Taper]) -> None:
        """Note a patch."""
        self.ascending = self.ascending and (not self.columns or self.columns[-1] <= box.col0)
        self.row1 = max(self.row1, box.row1)
        self.widest = max(self.widest, box.width)
        self.columns.append(box.col0)
        self.come.append(_Come(box, tapers))

    def over(self, box: Box) -> list[_Come]:
        """Return the patches that lie over some cell of ``box``, whose first row is not above theirs."""
        come = self.come
        if self.ascending:
            start = bisect_right(self.columns, box.col0 - self.widest)
            come = come[start : bisect_left(self.columns, box.col1)]
        return [
            one
            for one in come
            if one.box.row1 > box.row0 and one.box.col0 < box.col1 and one.box.col1 > box.col0
        ]


class History:
    """The patches so far whose cells a later one may touch, and the shares these give.

    The share of a patch in a cell is its weight over the sum of all weights there so far, its own
    included: adding ``share * (value - mean)`` to the mean of the values so far gives that of all.
    West (1979), https://doi.org/10.1145/359146.359153. Weights are added in double precision, in the
    order the patches come in, so that a share has the same bits however the field is cut.
    """

    def __init__(self) -> None:
        self._rows: deque[_Row] = deque()
        self._kept: OrderedDict[Pattern, Array] = OrderedDict()
        self._made = self._found = 0
        self._useful = True

    def enter(self, box: Box, tapers: Sequence[Taper], wanted: Sequence[bool]) -> list[Array | None]:
        """Take in a patch; return its shares ``(h, w)`` for each taper, if they are wanted and worth it.

        First rows must come ascending.
        """
        if not self._useful:
            return [None] * len(tapers)
        while self._rows and self._rows[0].row1 <= box.row0:
            self._rows.popleft()
        before = [one for row in self._rows for one in row.over(box)]
        if not self._rows or self._rows[-1].row0 != box.row0:
            self._rows.append(_Row(box.row0))
        self._rows[-1].add(box, tapers)
        if len(before) > MAX_BEFORE:
            return [None] * len(tapers)
        return [
            self._of(box, before, index) if asked else None
            for index, (asked, _) in enumerate(zip(wanted, tapers, strict=True))
        ]

    def _of(self, box: Box, before: Sequence[_Come], index: int) -> Array:
        row0, col0 = box.row0, box.col0
        taper = self._rows[-1].come[-1].tapers[index]
        around = tuple((one.box.row0 - row0, one.box.col0 - col0, one.tapers[index]) for one in before)
        found = self._kept.get((taper, around))
        if found is not None:
            self._found += 1
            self._kept.move_to_end((taper, around))
            return found
        self._made += 1
        if self._made > PATIENCE and self._found < 2 * self._made:  # patches in no order that repeats
            self._useful = False
            self._rows.clear()
        while len(self._kept) >= kept_arrays(taper.values.nbytes):
            self._kept.popitem(last=False)
        share = self._kept[taper, around] = _share(taper, around)
        return share


def _share(taper: Taper, around: tuple[tuple[int, int, Taper], ...]) -> Array:
    height, width = taper.values.shape
    weights = np.zeros((height, width))
    for row, col, other in around:
        rows = slice(max(row, 0), min(row + other.values.shape[0], height))
        cols = slice(max(col, 0), min(col + other.values.shape[1], width))
        weights[rows, cols] += other.values[rows.start - row : rows.stop - row, cols.start - col : cols.stop - col]
    weights += taper.values
    return shares_in(taper.values, weights)


def shares_in(added: Array, weights: Array) -> Array:
    """Return ``added / weights`` in the dtype of ``added``, 0 where the sum of weights is.

    >>> shares_in(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([0.25, 0.  ])
    """
    shares = np.zeros(weights.shape)
    np.divide(added, weights, out=shares, where=weights > 0)
    return shares.astype(added.dtype, copy=False)
