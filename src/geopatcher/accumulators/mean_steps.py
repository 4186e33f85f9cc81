"""How much each patch counts against those before it: the steps of running means.

On a lattice these are the same few arrays for all patches but those near the edges.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geopatcher.accumulators.pieces import Taper
    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array

#: Patches of one taper: the distance of their row, that of their columns, and the taper.
Around: TypeAlias = "tuple[tuple[int, tuple[int, ...], Taper], ...]"

#: Arrays kept at most: those of a lattice's corners, edges and middle.
MAX_KEPT = 9
#: Their bytes at most, beyond the fewest.
MAX_KEPT_BYTES = 64 << 20
#: Arrays kept at least: those of a row's left end, middle and right end.
MIN_KEPT = 3
#: Patches over one patch beyond which finding them takes longer than adding up weights.
MAX_BEFORE = 128
#: The same as a depth: each axis of a lattice has twice as many patches over a patch as over a cell.
DEEPEST = MAX_BEFORE // 4
#: Bytes of shares up to which they are kept for runs to come, and how many arrays: a lattice has nine.
RECENT_BYTES = 1 << 18
MAX_RECENT = 18
#: Patterns made before it is asked whether they are ever met again.
PATIENCE = 64


def kept_arrays(patch_bytes: int) -> int:
    """Return how many arrays of shares are kept, for patches of so many bytes each.

    >>> kept_arrays(1 << 18), kept_arrays(1 << 24), kept_arrays(1 << 30)
    (9, 4, 3)
    """
    return max(MIN_KEPT, min(MAX_KEPT, MAX_KEPT_BYTES // patch_bytes))


@dataclass(slots=True, eq=False)
class _Row:
    """Patches side by side, from left to right, that differ in nothing but their columns."""

    row0: int
    row1: int
    width: int
    tapers: Sequence[Taper]
    columns: list[int]

    def takes(self, box: Box, tapers: Sequence[Taper]) -> bool:
        """Whether a patch is the next of them."""
        return (
            self.row0 == box.row0
            and self.row1 == box.row1
            and self.columns[-1] <= box.col0
            and self.width == box.col1 - box.col0
            and self.tapers == tapers  # the same ones: tapers are equal to themselves alone
        )

    def over(self, col0: int, col1: int) -> tuple[int, ...]:
        """Return how far those begin from a patch, to the right, that share a column with it."""
        columns = self.columns
        start, stop = bisect_right(columns, col0 - self.width), bisect_left(columns, col1)
        return tuple([column - col0 for column in columns[start:stop]])


class History:
    """The patches so far whose cells a later one may touch, and the shares these give.

    The share of a patch in a cell is its weight over the sum of all weights there so far, its own
    included: adding ``share * (value - mean)`` to the mean of the values so far gives that of all.
    West (1979), https://doi.org/10.1145/359146.359153. Weights are added in double precision, in the
    order the patches come in, so that a share has the same bits however the field is cut.
    """

    def __init__(self, wanted: Sequence[bool]) -> None:
        self._wanted = wanted
        self._rows: deque[_Row] = deque()
        self._before: list[_Row] = []  # those over the row in hand, itself included
        self._around: list[object] = []  # what decides its shares, but for its own columns
        self._entered: list[tuple[int, list[Array | None]]] = []  # its columns and shares so far
        self._again: list[tuple[int, list[Array | None]]] = []  # those of a row that was alike
        self._kept: OrderedDict[tuple[Taper, Around], Array] = OrderedDict()
        self._made = self._found = 0
        self._n_wanted = sum(wanted)
        self._useful = self._n_wanted > 0

    def enter(self, box: Box, tapers: Sequence[Taper]) -> Sequence[Array | None]:
        """Take in a patch; return its shares ``(h, w)`` for each taper, if they are wanted and worth it.

        First rows must come ascending.
        """
        if not self._useful:
            return [None] * len(tapers)
        if not (self._rows and self._rows[-1].takes(box, tapers)):
            self._begin(box, tapers)
        row, col0, again = self._rows[-1], box.col0, self._again
        number = len(row.columns)
        if number < len(again) and again[number][0] == col0:
            shares = again[number][1]
            self._found += self._n_wanted
        else:
            self._again = []
            shares = self._look(box, tapers)
        row.columns.append(col0)
        self._entered.append((col0, shares))
        return shares

    def _begin(self, box: Box, tapers: Sequence[Taper]) -> None:
        """Begin a row with a patch that is about to come."""
        rows = self._rows
        complete = rows and len(self._entered) == len(rows[-1].columns)
        while rows and rows[0].row1 <= box.row0:
            rows.popleft()
        before = [row for row in rows if row.row1 > box.row0]
        around: list[object] = [tapers, *[(row.row0 - box.row0, row.columns, row.tapers) for row in before]]
        self._again = self._entered if complete and around == self._around else []
        self._entered, self._around = [], around
        rows.append(_Row(box.row0, box.row1, box.width, tapers, []))
        self._before = [*before, rows[-1]]

    def _look(self, box: Box, tapers: Sequence[Taper]) -> list[Array | None]:
        """Find the shares of a patch by the patches it touches."""
        columns = [row.over(box.col0, box.col1) for row in self._before]
        if sum(map(len, columns)) > MAX_BEFORE:
            return [None] * len(tapers)
        over = [(row, cols) for row, cols in zip(self._before, columns, strict=True) if cols]
        shares: list[Array | None] = [None] * len(tapers)
        for index, taper in enumerate(tapers):
            if self._wanted[index]:
                around = tuple([(row.row0 - box.row0, cols, row.tapers[index]) for row, cols in over])
                shares[index] = self._of(taper, around)
        return shares

    def _of(self, taper: Taper, around: Around) -> Array:
        pattern = (taper, around)
        found = self._kept.get(pattern)
        if found is not None:
            self._found += 1
            self._kept.move_to_end(pattern)
            return found
        self._made += 1
        if self._made > PATIENCE and self._found < 2 * self._made:  # patches in no order that repeats
            self._useful = False
            self._rows.clear()
        while len(self._kept) >= kept_arrays(taper.values.nbytes):
            self._kept.popitem(last=False)
            self._again, self._entered = [], []
        share = self._kept[pattern] = RECENT.get(pattern, _share)
        return share


class Recent:
    """Shares of small patches that were made last, for the next run with the same tapers."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Taper, Around], Array] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, pattern: tuple[Taper, Around], make: Callable[[Taper, Around], Array]) -> Array:
        """Return the shares of a pattern, made by ``make`` unless they are known; nobody may change them."""
        with self._lock:
            found = self._kept.get(pattern)
        if found is not None:
            return found
        share = make(*pattern)
        share.flags.writeable = False
        if share.nbytes <= RECENT_BYTES:
            with self._lock:
                self._kept[pattern] = share
                while len(self._kept) > MAX_RECENT:
                    self._kept.popitem(last=False)
        return share


RECENT = Recent()


def _share(taper: Taper, around: Around) -> Array:
    height, width = taper.values.shape
    weights = np.zeros((height, width))
    for row, columns, other in around:
        rows = slice(max(row, 0), min(row + other.values.shape[0], height))
        for col in columns:
            cols = slice(max(col, 0), min(col + other.values.shape[1], width))
            part = (slice(rows.start - row, rows.stop - row), slice(cols.start - col, cols.stop - col))
            weights[rows, cols] += other.values[part]
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
