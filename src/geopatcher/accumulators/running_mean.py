"""Steps of a running mean: towards the next values, as far as their share is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.core.protocols import Array


def approach(
    mean: Array, data: Array, shares: Array, step: Array, leave_out: Callable[[], None] | None
) -> None:
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
        Sets ``step`` to zero where ``data`` does not count; ``None`` where all of it does.

    Notes
    -----
    Infinite values are added up, as sums have them: with a finite one they stay, with one of the other
    sign they are NaN. Finite ones stay finite, however far apart. What a cell becomes depends on that
    cell alone.

    """
    # NumPy is twice as fast on arrays in one piece, even though the mean is copied there and back.
    before = mean.copy()
    with np.errstate(over="raise", invalid="raise"):
        try:
            np.subtract(data, before, out=step, casting="same_kind")
            np.multiply(step, shares, out=step)
        except FloatingPointError:
            _approach_carefully(mean, data, shares, step, leave_out)
            return
        if leave_out is not None:
            leave_out()
        try:
            mean[...] = np.add(before, step, out=step)
        except FloatingPointError:
            _approach_carefully(mean, data, shares, step, leave_out)


def take_over(mean: Array, data: Array, shares: Array, step: Array, counts: Array | None) -> bool:
    """Do what `approach` does, if the values before were the same; return whether they were.

    Parameters are those of `approach`, with data that the dtype of ``mean`` holds exactly. ``counts`` says
    which of it does, ``None`` for all. Where there were values before, shares are below one. If they differ
    in a cell that counts, nothing is done.

    """
    np.copyto(step, data)
    differs = np.not_equal(mean, step)
    differs &= shares < 1
    if counts is not None:
        differs &= counts
    if differs.any():
        return False
    if counts is None:
        mean[...] = step
    else:
        np.copyto(mean, step, where=counts)
    return True


def differ(mean: Array, data: Array, counts: Array | None) -> bool:
    """Whether a mean that has come to ``data`` is another value, in a cell that counts."""
    differs = np.not_equal(mean, data.astype(mean.dtype))
    if counts is not None:
        differs &= counts
    return bool(differs.any())


def _approach_carefully(
    mean: Array, data: Array, shares: Array, step: Array, leave_out: Callable[[], None] | None
) -> None:
    """Do the same where values are infinite or too far apart."""
    with np.errstate(over="ignore", invalid="ignore"):
        np.subtract(data, mean, out=step, casting="same_kind")
        np.multiply(step, shares, out=step)
        if leave_out is not None:
            leave_out()
        far = ~np.isfinite(step + mean) & (step != 0)
        before, value = mean[far].astype(np.float64), data[far].astype(np.float64)
        share = np.broadcast_to(shares, step.shape)[far].astype(np.float64)
        between = before * (1.0 - share) + value * share
        largest = np.finfo(mean.dtype).max
        finite = np.isfinite(before) & np.isfinite(value)
        after = np.where(finite, np.clip(between, -largest, largest), before + value)
        step[far] = 0.0
        np.add(mean, step, out=mean)
        mean[far] = after
