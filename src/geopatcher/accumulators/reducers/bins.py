"""A histogram whose range grows with the data, and whose counts stay exact."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from geopatcher.accumulators.reducers.values import Values
    from geopatcher.core.protocols import Array

#: Bins kept for each bin of the result: the finer they are, the closer the result hugs the range.
FINE = 64
#: Every double is a multiple of two to this power.
_FINEST = -1074


@dataclass(slots=True, eq=False)
class Bins:
    """Counts of cells on a grid of bins ``2 ** exponent`` wide, with an edge at zero.

    The width is the smallest power of two with which the range fits ``n_bins * FINE`` bins. Grids of
    such widths nest, so when the range grows, neighbouring bins are joined, and no count is ever
    approximate. Width and counts follow from the cells alone, not from their order.
    """

    n_bins: int
    exponent: int = _FINEST
    low: float | int | None = None
    high: float | int | None = None
    first: int = 0
    counts: Array = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, values: Values, band: int) -> None:
        """Take the cells of a band; infinite ones have no bin."""
        cells = values.band(band)
        if cells.dtype.kind == "f":
            cells = cells.astype(np.float64, copy=False)
            finite = np.isfinite(cells)
            cells = cells if finite.all() else cells[finite]
        if not cells.size:
            return
        low, high = cells.min().item(), cells.max().item()
        exponent = max(self.exponent, fitting(low, high, self.n_bins * FINE))
        index = _places(cells, exponent)
        first = int(index.min())
        index -= first
        self.merge(Bins(self.n_bins, exponent, low, high, first, np.bincount(index)))

    def merge(self, other: Bins) -> None:
        """Take what another has counted."""
        if other.low is None or other.high is None:
            return
        if self.low is None or self.high is None:
            low, high = other.low, other.high
        else:
            low, high = min(self.low, other.low), max(self.high, other.high)
        exponent = max(self.exponent, other.exponent, fitting(low, high, self.n_bins * FINE))
        parts = [part.joined(exponent) for part in (self, other) if part.low is not None]
        first = min(start for start, _ in parts)
        counts = np.zeros(max(start + len(part) for start, part in parts) - first, np.int64)
        for start, part in parts:
            counts[start - first : start - first + len(part)] += part
        self.exponent, self.low, self.high, self.first, self.counts = exponent, low, high, first, counts

    def joined(self, exponent: int) -> tuple[int, Array]:
        """Return place of the first bin, and the counts, on a grid at least as wide."""
        shift = exponent - self.exponent
        if not shift or not len(self.counts):
            return self.first >> shift, self.counts
        first = self.first >> shift
        place = ((self.first + np.arange(len(self.counts))) >> min(shift, 63)) - first
        counts = np.zeros(int(place[-1]) + 1, np.int64)
        np.add.at(counts, place, self.counts)
        return first, counts

    def histogram(self) -> tuple[Array, Array]:
        """Return counts ``(n_bins,)`` int64 and edges ``(n_bins + 1,)`` float64."""
        n_bins = self.n_bins
        counts = np.zeros(n_bins, np.int64)
        if self.low is None or self.high is None:
            return counts, np.linspace(0.0, 1.0, n_bins + 1)
        if self.low == self.high:  # no range to divide: bins of one, as wide as numpy's
            counts[0] = self.counts.sum()
            width = 1.0 if isinstance(self.low, int) else 1.0 / n_bins
            return counts, self.low + width * np.arange(n_bins + 1)
        joined = max(1, -(-len(self.counts) // n_bins))
        padded = np.zeros(n_bins * joined, np.int64)
        padded[: len(self.counts)] = self.counts
        places = [self.first + i * joined for i in range(n_bins + 1)]
        edges = np.asarray([_scaled(place, self.exponent) for place in places])
        return padded.reshape(n_bins, joined).sum(axis=1), edges


def fitting(low: float | int, high: float | int, n_bins: int) -> int:
    """Return the smallest exponent with which ``low`` to ``high`` lie in at most ``n_bins`` bins.

    Never so small that a place would not be exact: of integers 0, or what makes their edges doubles; of
    doubles that of their last bit.

    >>> fitting(0, 255, 64), fitting(0.0, 1.0, 64)
    (2, -5)
    """
    if isinstance(low, int) and isinstance(high, int):
        exponent = max(0, max(abs(low), abs(high)).bit_length() - 53)  # edges are doubles
        while (high >> exponent) - (low >> exponent) >= n_bins:
            exponent += 1
        return exponent
    exponent = max(_FINEST, math.frexp(max(abs(low), abs(high)))[1] - 52)
    while _place(high, exponent) - _place(low, exponent) >= n_bins:
        exponent += 1
    return exponent


def _places(cells: Array, exponent: int) -> Array:
    """Return the bins of cells, ``(n,)`` int64: their floor in units of the bins' width."""
    if cells.dtype.kind == "f":
        scaled = np.ldexp(cells, -exponent)
        place: Array = np.floor(scaled).astype(np.int64)
        place[(scaled == 0) & (cells < 0)] = -1  # too small for a double in these units
        return place
    if cells.dtype == np.uint64:
        return (cells >> np.uint64(exponent)).astype(np.int64)
    return cells.astype(np.int64) >> exponent


def _place(value: float, exponent: int) -> int:
    """Return the bin of one double, as `_places` does."""
    scaled = _scaled(value, -exponent)
    return -1 if scaled == 0 and value < 0 else math.floor(scaled)


def _scaled(value: float, exponent: int) -> float:
    """Return ``value * 2 ** exponent``, infinite where no double is as large."""
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(math.inf, value)
