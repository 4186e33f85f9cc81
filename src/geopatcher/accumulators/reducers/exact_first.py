"""Exact while a band has few different values, a sketch of bounded size beyond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import numpy as np

from geopatcher.accumulators.reducers.counts import Counts, distinct, is_small, quantiles
from geopatcher.accumulators.reducers.sample import KeyedSample
from geopatcher.accumulators.reducers.sketches import DistinctSketch, FrequentSketch

if TYPE_CHECKING:
    from geopatcher.accumulators.reducers.values import Values
    from geopatcher.core.protocols import Array


@dataclass(slots=True, eq=False)
class Ranks:
    """Quantiles: of the counts, or of a uniform sample kept beside them from the start."""

    counts: Counts
    sample: KeyedSample
    seed: int

    @classmethod
    def zero(cls, dtype: np.dtype, size: int, seed: int) -> Self:
        """Return the state of no cells."""
        return cls(Counts(dtype), KeyedSample(size), seed)

    def add(self, values: Values, band: int) -> None:
        """Take the cells of a band."""
        cells = values.band(band)
        self.counts.add(cells)
        if not is_small(cells.dtype):  # their counts are always complete
            self.sample.add(values.band_keys(band, self.seed), cells[:, np.newaxis])

    def merge(self, other: Self) -> None:
        """Take what another has seen."""
        self.counts.merge(other.counts)
        self.sample.merge(other.sample)

    def quantiles(self, q: Array) -> Array:
        """Return the quantiles ``q``, both ``(m,)``; NaN of nothing."""
        rows = None if self.counts.complete else self.sample.sample()
        return quantiles(*(self.counts.items() if rows is None else distinct(rows[:, 0])), q)


class _Sketch(Protocol):
    """What takes over where a band has too many values to count."""

    def take(self, values: Array, numbers: Array) -> None:
        """Take different ``values``, each as often as ``numbers`` says."""

    def merge(self, other: Self) -> None:
        """Take what another has seen."""


S = TypeVar("S", bound=_Sketch)


@dataclass(slots=True, eq=False)
class _Counted(Generic[S]):
    """Counts, and a sketch that takes over when there are too many of them."""

    counts: Counts
    sketch: S

    def add(self, values: Values, band: int) -> None:
        """Take the cells of a band."""
        cells = values.band(band)
        if is_small(cells.dtype):
            self.counts.add(cells)
        else:
            self._take(*distinct(cells))

    def merge(self, other: Self) -> None:
        """Take what another has seen."""
        if other.counts.complete:
            self._take(*other.counts.items())
            return
        if self.counts.complete:
            self.sketch.take(*self.counts.items())
            self.counts.drop()
        self.sketch.merge(other.sketch)

    def _take(self, values: Array, numbers: Array) -> None:
        if self.counts.complete:
            before = self.counts.items()
            if self.counts.take(values, numbers):
                return
            self.sketch.take(*before)
        self.sketch.take(values, numbers)


class Distinct(_Counted[DistinctSketch]):
    """Number of different values: counted, or estimated from a sketch that took over."""

    __slots__ = ()

    @classmethod
    def zero(cls, dtype: np.dtype, p: int) -> Self:
        """Return the state of no cells."""
        return cls(Counts(dtype), DistinctSketch(p))

    def number(self) -> int:
        """Return how many different values there were."""
        return self.counts.items()[0].size if self.counts.complete else round(self.sketch.estimate())


class Frequent(_Counted[FrequentSketch]):
    """The most frequent value: counted, or told by a sketch that took over."""

    __slots__ = ()

    @classmethod
    def zero(cls, dtype: np.dtype, k: int) -> Self:
        """Return the state of no cells."""
        return cls(Counts(dtype), FrequentSketch(k, dtype))

    def value(self) -> np.generic | None:
        """Return the most frequent value, the smallest of several; ``None`` when none stands out."""
        if not self.counts.complete:
            return self.sketch.most_frequent()
        values, numbers = self.counts.items()
        if not values.size:
            return None
        best: np.generic = values[np.argmax(numbers)]
        return best
