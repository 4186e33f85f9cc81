"""Lines that another system of coordinates tears apart: those over an end of its world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from geopatcher.core.arrays import Array

#: A piece that is drawn longer than this share of the whole may be torn; it is halved so many times.
LONG, HALVINGS = 1 / 8, 16


class Draws(Protocol):
    """Gives points ``(n, 2)`` in the other system."""

    def __call__(self, points: Array, /) -> Array:
        """Return as many points; those that have no place there are not finite."""
        ...


def torn(starts: Array, ends: Array, from_: Array, to: Array, drawn: Draws) -> bool:
    """Whether one of several straight pieces, short beside the whole, has its ends far from each other there.

    A piece that is torn stays as long as it is, however often it is halved; every other gets shorter.

    Parameters
    ----------
    starts, ends
        Points ``(n, 2)``.
    from_, to
        Where these are in the other system.
    drawn
        Gives that of any others.

    Returns
    -------
    bool
        Points that have no place there tell nothing.

    Examples
    --------
    >>> points = np.stack([np.linspace(0, 1, 65), np.zeros(65)], axis=1)
    >>> for drawn in (lambda at: at * 9, lambda at: at // 0.7):
    ...     torn(points[:-1], points[1:], drawn(points[:-1]), drawn(points[1:]), drawn)
    False
    True

    """
    size = float(np.nanmax(np.ptp(np.concatenate([from_, to]), axis=0), initial=0.0)) if len(starts) else 0.0
    whole = np.hypot(*(to - from_).T)
    long = whole > LONG * size
    starts, ends, from_, to, whole = starts[long], ends[long], from_[long], to[long], whole[long]
    left = whole
    for _ in range(HALVINGS if len(whole) else 0):
        middles = (starts + ends) / 2
        between = drawn(middles)
        first = (np.hypot(*(between - from_).T) > np.hypot(*(to - between).T))[:, np.newaxis]
        starts, ends = np.where(first, starts, middles), np.where(first, middles, ends)
        from_, to = np.where(first, from_, between), np.where(first, between, to)
        left = np.hypot(*(to - from_).T)
    return bool((left > whole / 2).any())
