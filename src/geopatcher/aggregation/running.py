"""One step of a running mean: towards the next values, as far as their share is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.protocols import Array


def approach(mean: Array, data: Array, shares: Array, step: Array, leave_out: Callable[[], None]) -> None:
    """Set ``mean`` to ``mean + shares * (data - mean)``, in place.

    Parameters
    ----------
    mean
        ``(bands, h, w)`` floats, changed.
    data
        Shaped like it, of any dtype.
    shares
        ``(h, w)`` or ``(bands, h, w)``, between 0 and 1.
    step
        Shaped and typed like ``mean``; what is in it does not matter, and is changed.
    leave_out
        Sets ``step`` to zero where ``data`` does not count.

    Notes
    -----
    Infinite values are added up, as sums have them: with a finite one they stay, with one of the other
    sign they are NaN. Finite ones stay finite, however far apart. What a cell becomes depends on that
    cell alone.

    """
    try:
        with np.errstate(over="raise", invalid="raise"):
            np.subtract(data, mean, out=step, casting="same_kind")
            np.multiply(step, shares, out=step)
    except FloatingPointError:
        _approach_carefully(mean, data, shares, step, leave_out)
        return
    leave_out()
    try:
        with np.errstate(over="raise", invalid="raise"):
            np.add(mean, step, out=mean)
    except FloatingPointError:  # the sum is there nevertheless
        _repair(mean, data, step)


def _approach_carefully(
    mean: Array, data: Array, shares: Array, step: Array, leave_out: Callable[[], None]
) -> None:
    """Do the same where a difference is too large for its dtype, or of two infinite values."""
    with np.errstate(over="ignore", invalid="ignore"):
        np.subtract(data, mean, out=step, casting="same_kind")
        np.multiply(step, shares, out=step)
        leave_out()
        far = ~np.isfinite(step)
        before, value = mean[far].astype(np.float64), data[far].astype(np.float64)
        share = np.broadcast_to(shares, step.shape)[far].astype(np.float64)
        between = before * (1.0 - share) + value * share
        largest = np.finfo(mean.dtype).max
        finite = np.isfinite(before) & np.isfinite(value)
        after = np.where(finite, np.clip(between, -largest, largest), before + value)
        step[far] = 0.0
        np.add(mean, step, out=mean)
        mean[far] = after


def _repair(mean: Array, data: Array, step: Array) -> None:
    """Mend a sum: infinite cells that met finite values, finite cells that were rounded to infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        stayed = np.isnan(mean) & np.isinf(step) & np.isfinite(data)
        mean[stayed] = -step[stayed]
        rounded = np.isinf(mean) & np.isfinite(step) & (step != 0)
        mean[rounded] = np.copysign(np.finfo(mean.dtype).max, step[rounded])
