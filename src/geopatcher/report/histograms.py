"""How the values of a band are spread, for a range to be chosen by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.inspect.png import value_range

if TYPE_CHECKING:
    from geopatcher.core.json_values import Json
    from geopatcher.core.protocols import Array
    from geopatcher.core.statistics import Statistics

#: Bars of a histogram.
BARS = 64
#: How many times as wide as that of the cells that are seen the range of all may be for bars to go over it.
WIDER = 4.0


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cells of a band by their values.

    Parameters
    ----------
    counts
        Cells in each of `BARS` steps of the same width, from the lowest value to the highest.
    ends
        Where the steps begin and end: at the lowest and the highest value that were seen, or of all cells
        where those are not much further apart.
    middle
        The values that leave out the extreme 2 % at either end.
    whole
        The lowest and the highest value: of all cells where those are known, else of those that were seen.

    """

    counts: tuple[int, ...]
    ends: tuple[float, float]
    middle: tuple[float, float]
    whole: tuple[float, float]

    @classmethod
    def of(cls, cells: Array, statistics: Statistics | None = None) -> Histogram:
        """Count cells, of which those that are not finite are missing.

        ``statistics`` are those of all cells of the band, of which these may be a sample.

        >>> found = Histogram.of(np.array([0.0, 1.0, 1.0, np.nan]))
        >>> found.ends, found.counts[0], found.counts[-1]
        ((0.0, 1.0), 1, 2)
        """
        known = cells[np.isfinite(cells)].astype(np.float64, copy=False)
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        whole = (low, high)
        if statistics is not None:
            whole = (float(statistics.minimum), float(statistics.maximum))
            if not known.size:
                low, high = whole
            elif whole[1] - whole[0] <= WIDER * (high - low):  # over all of them, an outlier leaves one bar
                low, high = min(low, whole[0]), max(high, whole[1])
        if low == high:
            low, high = low - 0.5, high + 0.5
        if whole[0] == whole[1]:
            whole = (low, high)
        counts, _ = np.histogram(known, BARS, (low, high))
        return cls(tuple(counts.tolist()), (low, high), value_range(known), whole)

    def told(self) -> dict[str, Json]:
        """Return it for a page."""
        return {
            "counts": list(self.counts),
            "ends": list(self.ends),
            "middle": list(self.middle),
            "whole": list(self.whole),
        }
