"""The middle of several arrays, cell by cell, by comparing whole arrays with each other.

Minima and maxima of arrays take a tenth of the time that sorting the few values of each cell does. Which to
compare says Batcher's odd-even merge sort, of which those comparisons are left out that the wanted places do
not depend on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geopatcher.core.arrays import Array

#: Beyond so many arrays each cell is sorted: comparisons grow faster than their number.
MOST_COMPARED = 128
#: Bytes of an array that is compared with others in one go, and of all of them: they stay in the cache.
ONE_BYTES, ALL_BYTES = 1 << 17, 1 << 22


class Comparison(NamedTuple):
    """Two of several arrays: ``low`` gets the smaller values; and which of both are looked at again."""

    low: int
    high: int
    wants_low: bool
    wants_high: bool


def middles(levels: Sequence[Array], count: Array | None = None) -> tuple[Array, Array]:
    """Return the two values in the middle of each cell, which are one where the number is odd.

    Parameters
    ----------
    levels
        Arrays ``(bands, h, w)`` of one dtype without NaN; they are not written into.
    count
        How many values each cell has, ``(bands, h, w)``: all others are as large as the largest of them. By
        default a value of each level; of a cell that has none, whatever is there is returned.

    Returns
    -------
    low, high : numpy.ndarray
        ``(bands, h, w)``.

    Examples
    --------
    >>> import numpy as np
    >>> levels = [np.array([[[3, 1]]]), np.array([[[9, 5]]]), np.array([[[4, 7]]]), np.array([[[6, 7]]])]
    >>> middles(levels)
    (array([[[4, 5]]]), array([[[6, 7]]]))

    """
    first = levels[0]
    low, high = np.empty_like(first), np.empty_like(first)
    depth, (n_bands, height, width) = len(levels), first.shape
    room = min(ONE_BYTES, ALL_BYTES // depth) // first.itemsize
    rows = max(1, min(height, room // max(1, width)))
    spare = np.empty((depth + 1, rows, width), first.dtype)
    for band in range(n_bands):
        for row in range(0, height, rows):
            part = (band, slice(row, row + rows))
            counted = None if count is None else count[part]
            pieces = [level[part] for level in levels]
            ends = {depth} if counted is None else {int(n) for n in np.unique(counted)}
            wanted = frozenset(place for n in ends for place in _places(n))
            ordered = _ordered(pieces, wanted, spare[:, : len(pieces[0])])
            for number in ends:
                here = True if counted is None or len(ends) == 1 else counted == number
                below, above = _places(number)
                np.copyto(low[part], ordered[below], where=here)
                np.copyto(high[part], ordered[above], where=here)
    return low, high


def _places(n_values: int) -> tuple[int, int]:
    """Return which two of so many values in their order are the middle ones."""
    return (max(n_values, 1) - 1) // 2, max(n_values, 1) // 2


def _ordered(pieces: Sequence[Array], wanted: frozenset[int], room: Array) -> Sequence[Array]:
    """Return arrays in each cell's order; only the ``wanted`` ones mean something. ``room`` has one more."""
    levels = list(room)
    for level, piece in zip(levels, pieces, strict=False):
        np.copyto(level, piece)
    spare = levels.pop()
    if len(levels) > MOST_COMPARED:
        room[:-1].sort(axis=0)
        return levels
    for low, high, wants_low, wants_high in comparisons(len(levels), wanted):
        one, other = levels[low], levels[high]
        if not wants_high:
            np.minimum(one, other, out=one)
        elif not wants_low:
            np.maximum(one, other, out=other)
        else:
            np.minimum(one, other, out=spare)
            np.maximum(one, other, out=other)
            levels[low], spare = spare, one
    return levels


@lru_cache(maxsize=64)
def comparisons(n_levels: int, wanted: frozenset[int]) -> tuple[Comparison, ...]:
    """Return what brings the ``wanted`` ones of so many arrays, in their order, to their places.

    Parameters
    ----------
    n_levels
        How many arrays there are.
    wanted
        Places, counted from 0 for the smallest.

    Returns
    -------
    tuple of Comparison
        In the order in which they have to be made.

    Examples
    --------
    >>> len(comparisons(24, frozenset(range(24)))), len(comparisons(24, frozenset({11, 12})))
    (132, 108)

    """
    needed = set(wanted)
    kept = []
    for low, high in reversed(list(_merge_sort(n_levels))):
        if low in needed or high in needed:
            kept.append(Comparison(low, high, low in needed, high in needed))
            needed |= {low, high}
    return tuple(reversed(kept))


def _merge_sort(n_levels: int) -> Iterator[tuple[int, int]]:
    """Yield the comparisons of Batcher's odd-even merge sort."""
    run = 1
    while run < n_levels:
        apart = run
        while apart:
            for start in range(apart % run, n_levels - apart, 2 * apart):
                for low in range(start, start + min(apart, n_levels - start - apart)):
                    if low // (2 * run) == (low + apart) // (2 * run):
                        yield low, low + apart
            apart //= 2
        run *= 2
