"""Warnings about aggregations that keep every contribution, and the mode that makes them errors."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from geopatcher.errors import UnsafeStreamingError

if TYPE_CHECKING:
    from geopatcher.accumulators.base import SpatialAggregation

_STRICT: list[bool] = []


def get_strict() -> bool:
    """Whether unsafe merges are errors: as `set_strict` said, else as ``GEOPATCHER_STRICT=1`` says.

    Returns
    -------
    bool
        False by default.

    Examples
    --------
    >>> set_strict(False); get_strict()
    False
    >>> set_strict(None)

    """
    if _STRICT:
        return _STRICT[0]
    return os.environ.get("GEOPATCHER_STRICT", "").strip().lower() in ("1", "true", "yes", "on")


def set_strict(value: bool | None) -> None:
    """Make unsafe merges errors (``True``), warnings (``False``), or follow the environment (``None``).

    Parameters
    ----------
    value
        ``True``, ``False`` or ``None``.

    Examples
    --------
    >>> set_strict(True); get_strict()
    True
    >>> set_strict(None)

    """
    _STRICT[:] = [] if value is None else [value]


def warn_if_unsafe_streaming(aggregation: SpatialAggregation) -> None:
    """Warn that an aggregation keeps every contribution in memory when merged without streaming.

    Parameters
    ----------
    aggregation
        What is about to merge in memory.

    Raises
    ------
    UnsafeStreamingError
        The same, in strict mode.

    Warns
    -----
    RuntimeWarning
        Names the substitutes that stream.

    Examples
    --------
    >>> import geopatcher
    >>> warn_if_unsafe_streaming(geopatcher.SpatialOverlapAdd())  # says nothing
    >>> set_strict(True)
    >>> warn_if_unsafe_streaming(geopatcher.SpatialMedian())
    Traceback (most recent call last):
        ...
    geopatcher.errors.UnsafeStreamingError: SpatialMedian has streaming_safe = False ...
    >>> set_strict(None)

    """
    if aggregation.streaming_safe:
        return
    message = (
        f"{type(aggregation).__name__} has streaming_safe = False — the merge is happening in-RAM. "
        f"For streaming alternatives see scaling.md (Median->ApproxQuantile, Mode->HardVote or ApproxMode, "
        f"Learned->two-pass)."
    )
    if get_strict():
        raise UnsafeStreamingError(message)
    warnings.warn(message, RuntimeWarning, stacklevel=3)
