"""Mean and spread, smallest and largest value of a band."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from geopatcher.accumulators.reducers.values import Values
    from geopatcher.core.protocols import Array


@dataclass(slots=True, eq=False)
class Moments:
    """Number, mean and sum of squared deviations from it, in double precision.

    Two of them are joined by the formula of Chan, Golub & LeVeque (1983),
    https://doi.org/10.1080/00031305.1983.10483115, which loses no digits to large means.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: Values, band: int) -> None:
        """Take the cells of a band."""
        cells = values.band(band)
        if cells.size:
            with np.errstate(invalid="ignore", over="ignore"):  # infinities: the mean is infinite or NaN
                mean = float(np.mean(cells, dtype=np.float64))
                apart = np.subtract(cells, mean, dtype=np.float64)
                left = float(apart.sum())  # zero but for the rounding of the mean
                squares = float(np.square(apart, out=apart).sum()) - left * left / cells.size
            self.merge(Moments(cells.size, mean, squares if math.isnan(squares) else max(squares, 0.0)))

    def merge(self, other: Moments) -> None:
        """Take what another has seen."""
        if not other.count:
            return
        total = self.count + other.count
        share = other.count / total
        apart = other.mean - self.mean if self.count else 0.0
        self.squares += other.squares + apart * apart * self.count * share
        self.mean = self.mean + apart * share if self.count else other.mean
        self.count = total

    @property
    def std(self) -> float:
        """Square root of the mean squared deviation; NaN of nothing."""
        return math.sqrt(self.squares / self.count) if self.count else math.nan


@dataclass(slots=True, eq=False)
class Extremes:
    """Smallest and largest cell, exact in their own dtype; ``None`` as long as there is none."""

    low: np.generic | None = None
    high: np.generic | None = None

    def add(self, values: Values, band: int) -> None:
        """Take the cells of a band."""
        cells = values.band(band)
        if cells.size:
            self.merge(Extremes(cells.min(), cells.max()))

    def merge(self, other: Extremes) -> None:
        """Take what another has seen."""
        self.low = _of_both(np.minimum, self.low, other.low)
        self.high = _of_both(np.maximum, self.high, other.high)


def _of_both(choose: np.ufunc, first: np.generic | None, second: np.generic | None) -> np.generic | None:
    if first is None or second is None:
        return second if first is None else first
    chosen: np.generic = choose(first, second)
    return chosen


def stacked(scalars: list[Array | np.generic | None], dtype: np.dtype) -> Array:
    """Return one number per band in ``dtype``, in float64 with NaN if a band has none.

    >>> stacked([np.uint8(3), None], np.dtype("uint8"))
    array([ 3., nan])
    """
    if any(scalar is None for scalar in scalars):
        return np.asarray([math.nan if scalar is None else scalar for scalar in scalars], np.float64)
    return np.asarray(scalars, dtype)
