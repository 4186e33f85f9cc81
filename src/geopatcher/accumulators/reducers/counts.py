"""How often each value occurs in a band, exactly, as long as there are few different values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array

#: Different values counted one by one; a band that has more is sketched. All 16-bit integers fit.
MAX_DISTINCT = 1 << 16
#: Integers of one piece are counted directly when they span up to this, or four times their number.
MIN_SPAN = 1 << 14


@dataclass(slots=True, eq=False)
class Counts:
    """The different values of a band and their numbers.

    Integers of up to 16 bits have a counter each, and are always complete. Of other types the
    different values are kept, sorted; once there are more than `MAX_DISTINCT` nothing is, and
    ``complete`` is False. Whether it is depends on the cells alone, not on their order.
    """

    dtype: np.dtype
    complete: bool = True
    values: Array = field(init=False)
    numbers: Array = field(init=False)
    _dense: bool = field(init=False)

    def __post_init__(self) -> None:
        self._dense = is_small(self.dtype)
        if self._dense:
            limits = np.iinfo(self.dtype)
            self.values = np.arange(int(limits.min), int(limits.max) + 1).astype(self.dtype)
        else:
            self.values = np.empty(0, self.dtype)
        self.numbers = np.zeros(self.values.size, np.int64)

    def add(self, cells: Array) -> None:
        """Count cells ``(n,)``."""
        if self._dense:
            index = cells.astype(np.intp) - int(self.values[0])
            self.numbers += np.bincount(index, minlength=self.numbers.size)
        elif self.complete:
            self.take(*distinct(cells))

    def take(self, values: Array, numbers: Array) -> bool:
        """Count sorted different ``values``, each as often as ``numbers`` says; return `complete`."""
        if self._dense:
            self.numbers[values.astype(np.intp) - int(self.values[0])] += numbers
            return True
        if not self.complete or not values.size:
            return self.complete
        place = np.searchsorted(self.values, values)
        new = np.ones(values.size, dtype=bool)
        inside = place < self.values.size
        new[inside] = self.values[place[inside]] != values[inside]
        if self.values.size + np.count_nonzero(new) > MAX_DISTINCT:
            self.drop()
            return False
        self.numbers[place[~new]] += numbers[~new]
        self.values = np.insert(self.values, place[new], values[new])
        self.numbers = np.insert(self.numbers, place[new], numbers[new])
        return True

    def merge(self, other: Counts) -> None:
        """Take what another has counted."""
        if other.complete:
            self.take(*other.items())
        else:
            self.drop()

    def drop(self) -> None:
        """Give up counting."""
        self.complete = False
        self.values, self.numbers = self.values[:0], self.numbers[:0]

    def items(self) -> tuple[Array, Array]:
        """Return the different values, ascending, and their numbers."""
        seen = self.numbers > 0
        return self.values[seen], self.numbers[seen]


def is_small(dtype: np.dtype) -> bool:
    """Whether a dtype is one of integers of up to 16 bits.

    >>> is_small(np.dtype("uint16")), is_small(np.dtype("int32"))
    (True, False)
    """
    return dtype.kind in "iu" and dtype.itemsize <= 2


def distinct(cells: Array) -> tuple[Array, Array]:
    """Return the different values, ascending, and their numbers; zeros of both signs are one value."""
    if cells.size and cells.dtype.kind in "iu":
        low, high = int(cells.min()), int(cells.max())
        if high - low < max(MIN_SPAN, 4 * cells.size):  # counters are many times faster than sorting
            # Differences may not fit the signed dtype; read as unsigned they are right.
            above = (cells - cells.dtype.type(low)).view(f"u{cells.dtype.itemsize}")
            per_value = np.bincount(above.astype(np.intp))
            seen = np.flatnonzero(per_value)
            return seen.astype(cells.dtype) + cells.dtype.type(low), per_value[seen]
    values, numbers = np.unique(cells, return_counts=True)
    return (values + values.dtype.type(0) if values.dtype.kind == "f" else values), numbers


def quantiles(values: Array, numbers: Array, q: Array) -> Array:
    """Return quantiles of values given with their numbers, as `numpy.quantile` of all of them would.

    ``values`` ascend; ``q`` is ``(m,)``; the result is float64, NaN when there are no values.

    >>> quantiles(np.array([1, 5]), np.array([3, 1]), np.array([0.5, 0.9]))
    array([1. , 3.8])
    """
    total = int(numbers.sum())
    if not total:
        return np.full(q.shape, np.nan)
    rank = (total - 1) * q
    below = np.floor(rank)
    last = np.cumsum(numbers) - 1  # highest rank of each value
    low = values[np.searchsorted(last, below)].astype(np.float64)
    high = values[np.searchsorted(last, np.minimum(below + 1, total - 1))].astype(np.float64)
    part = rank - below
    with np.errstate(invalid="ignore", over="ignore"):
        gap = high - low
        between = np.where(part < 0.5, low + gap * part, high - gap * (1 - part))
    found: Array = np.where((part == 0) | (low == high), low, between)
    return found
