"""How the values of a band are spread, for a range to be chosen by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.inspect.png import value_range

if TYPE_CHECKING:
    from geopatcher.core.json_values import Json
    from geopatcher.core.protocols import Array

#: Bars of a histogram.
BARS = 64


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cells of a band by their values.

    Parameters
    ----------
    counts
        Cells in each of `BARS` steps of the same width, from the lowest value to the highest.
    ends
        The lowest and the highest value.
    middle
        The values that leave out the extreme 2 % at either end.

    """

    counts: tuple[int, ...]
    ends: tuple[float, float]
    middle: tuple[float, float]

    @classmethod
    def of(cls, cells: Array) -> Histogram:
        """Count cells, of which those that are not finite are missing.

        >>> found = Histogram.of(np.array([0.0, 1.0, 1.0, np.nan]))
        >>> found.ends, found.counts[0], found.counts[-1]
        ((0.0, 1.0), 1, 2)
        """
        known = cells[np.isfinite(cells)].astype(np.float64, copy=False)
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        if low == high:
            low, high = low - 0.5, high + 0.5
        counts, _ = np.histogram(known, BARS, (low, high))
        return cls(tuple(counts.tolist()), (low, high), value_range(known))

    def told(self) -> dict[str, Json]:
        """Return it for a page."""
        return {"counts": list(self.counts), "ends": list(self.ends), "middle": list(self.middle)}
