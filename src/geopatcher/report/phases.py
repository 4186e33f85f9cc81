"""Pictures that repeat: a band of 20 m written with pixels of 10 m jumps at every other pixel only.

There a border is compared with the places that lie in the same way in the repetition, and with no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Share of the variation between places that a repetition explains where there is one.
EXPLAINED = 0.5
#: A shorter one that explains less by no more than this is taken in its stead.
AS_GOOD = 0.05
#: Places of each kind that are needed, on average, to tell a repetition from chance.
PLACES = 3


def period_of(means: NDArray[np.float64]) -> int:
    """Return after how many places the values of a row repeat, 1 where they do not.

    A repetition of ``p`` places is fitted by the mean of each of its ``p`` phases; how good that is, is told
    by R² adjusted for their number (Ezekiel 1930, Methods of Correlation Analysis).

    Parameters
    ----------
    means
        Values at places one after the other, NaN where there is none. The one in the middle is left out: it
        is to be compared with the others.

    Returns
    -------
    int
        The period, in places. There is at least one other place that lies like the one in the middle.

    Examples
    --------
    >>> row = np.tile([2.0, 0.0, 0.0], 20)[:41]
    >>> period_of(row), period_of(np.random.default_rng(0).random(41))
    (3, 1)

    """
    middle = len(means) // 2
    places = np.arange(len(means)) - middle
    known = np.isfinite(means) & (places != 0)
    values, places = means[known], places[known]
    spread = float(np.square(values - values.mean()).sum()) if len(values) else 0.0
    if not spread:
        return 1
    found = {
        period: explained
        for period in range(2, len(values) // PLACES + 1)
        if (explained := _explained(values, places % period, spread)) >= EXPLAINED
    }
    best = max(found.values(), default=0.0)
    # Its multiples explain as much, and so does what only stands out where the borders of others are.
    period = next((period for period, explained in found.items() if explained >= best - AS_GOOD), 1)
    return period if (places % period == 0).any() else 1


def alike(places: NDArray[np.int64], period: int, reach: int) -> NDArray[np.bool_]:
    """Return which places, counted from one, lie as it does and near it: within ``reach``, or two periods.

    >>> places = np.arange(-4, 5)
    >>> places[alike(places, 1, 2)].tolist(), places[alike(places, 2, 2)].tolist()
    ([-2, -1, 1, 2], [-4, -2, 2, 4])
    """
    near = reach if period == 1 else max(reach, 2 * period)
    same: NDArray[np.bool_] = (places % period == 0) & (places != 0) & (np.abs(places) <= near)
    return same


def _explained(values: NDArray[np.float64], phases: NDArray[np.int64], spread: float) -> float:
    """Return the share of the variation between phases, adjusted for how many there are."""
    counts = np.bincount(phases)
    sums = np.bincount(phases, values)
    used = int(np.count_nonzero(counts))
    if used >= len(values) - 1:
        return 0.0
    fitted = (sums / np.maximum(counts, 1))[phases]
    left = float(np.square(values - fitted).sum()) / spread
    return 1.0 - left * (len(values) - 1) / (len(values) - used)
