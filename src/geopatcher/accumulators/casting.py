"""From accumulator to result: rounding, saturation and nodata, stated once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.int64 import join, split

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array
    from geopatcher.core.scaling import Scaling


def fits(dtype: np.dtype, nodata: float | int) -> bool:
    """Whether a dtype can hold a nodata value (floats: rounded to it, but not to infinity).

    >>> fits(np.dtype("uint8"), -1), fits(np.dtype("int16"), -9999.0), fits(np.dtype("float32"), 0.1)
    (False, True, True)
    """
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return bool(not np.isfinite(nodata) or np.isfinite(dtype.type(nodata)))
    if dtype.kind not in "iu" or not np.isfinite(nodata) or int(nodata) != nodata:
        return False
    limits = np.iinfo(dtype)
    return int(limits.min) <= int(nodata) <= int(limits.max)


def default_nodata(dtype: np.dtype, nodata: float | int | None) -> float | int | None:
    """Return the nodata value of a result: the one given if the dtype can hold it, NaN for floats.

    >>> default_nodata(np.dtype("uint8"), -9999.0), default_nodata(np.dtype("int16"), -9999.0)
    (None, -9999)
    >>> default_nodata(np.dtype("float32"), None)
    nan
    """
    if nodata is not None and fits(dtype, nodata):
        return float(dtype.type(nodata)) if dtype.kind == "f" else int(nodata)
    return float("nan") if dtype.kind in "fc" else None


def scaled(finished: Finished, scaling: Scaling) -> tuple[Finished, int]:
    """Return values as the numbers that stand for them, and how many were beyond the range.

    Uses up ``finished``. A band at a time: numbers are made of float64.
    """
    values, covered, base = finished
    room = 0 if base is not None or values.dtype.kind != "f" else 2 ** (np.finfo(values.dtype).nmant + 1)
    out = values if max(-scaling.first, scaling.last) <= room else np.empty(values.shape, np.float64)
    clipped = 0
    for band in range(values.shape[0]):
        cells = values[band] if base is None else base[band].astype(np.float64) + values[band]
        out[band], beyond = scaling.numbers(cells)
        if covered is not None:
            beyond &= covered if covered.ndim == beyond.ndim else covered[band]
        clipped += int(np.count_nonzero(beyond))
    return Finished(out, covered), clipped


def to_dtype(finished: Finished, dtype: np.dtype, fill: float | int) -> Array:
    """Return values in ``dtype`` as `to_cells` does, and nothing of which of them are missing."""
    return to_cells(finished, dtype, fill)[0]


def to_cells(finished: Finished, dtype: np.dtype, fill: float | int) -> tuple[Array, Array | None]:
    """Return values in ``dtype``, and which of them are known. Uses up ``finished``.

    Integers round half to even and saturate at the ends of their range; they never wrap. Cells that
    are not covered hold ``fill`` and are not known; so are those of integers whose value is NaN
    although covered. What is known is shaped like the values or ``(h, w)``; ``None`` is all.
    """
    values, covered, base = finished
    known = covered
    if base is not None:
        out = _based(base, values, dtype)
    elif dtype.kind in "iu" and values.dtype.kind == "f":
        out, missing = _saturate(values, dtype, fill)
        if missing is not None:
            known = ~missing if covered is None else covered & ~missing
    elif dtype.kind in "iu" and values.dtype.kind in "iu" and values.dtype != dtype:
        out = _clipped(values, dtype)
    else:
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, as IEEE 754 rounds it
            out = values.astype(dtype, copy=False)
    if covered is not None:
        np.copyto(out, out.dtype.type(fill), where=~covered)
    return out, known


def _clipped(values: Array, dtype: np.dtype) -> Array:
    own, limits = np.iinfo(values.dtype), np.iinfo(dtype)
    low, high = max(int(limits.min), int(own.min)), min(int(limits.max), int(own.max))
    return np.clip(values, values.dtype.type(low), values.dtype.type(high)).astype(dtype)


def _saturate(values: Array, dtype: np.dtype, fill: float | int) -> tuple[Array, Array | None]:
    """Return values as integers, and which of them are NaN; ``None`` for none."""
    if values.dtype == np.float16:  # which ends before uint16 does
        values = values.astype(np.float32)
    limits = np.iinfo(dtype)
    missing = np.isnan(values)
    rounded = np.rint(values, out=values)
    # The largest float not above the limit: float64(2**63 - 1) is 2**63, which would wrap.
    high = values.dtype.type(limits.max)
    if int(high) > limits.max:
        high = np.nextafter(high, values.dtype.type(0))
    above = rounded > high
    np.clip(rounded, values.dtype.type(limits.min), high, out=rounded)
    gaps = bool(missing.any())
    if gaps:
        rounded[missing] = 0
    out = rounded.astype(dtype)
    out[above] = limits.max
    if gaps:
        out[missing] = fill
    return out, missing if gaps else None


def _based(base: Array, values: Array, dtype: np.dtype) -> Array:
    """Return ``base + values``: integers as if the sum had been exact, rounded half to even."""
    if dtype.kind not in "iu":
        with np.errstate(over="ignore"):
            return (base.astype(np.float64) + values).astype(dtype)
    whole = np.floor(values)
    rest = values - whole
    whole_high = np.floor(whole / 2.0**32)
    high, low = split(base)
    high += whole_high.astype(np.int64)
    low += (whole - whole_high * 2.0**32).astype(np.int64)
    low += (rest > 0.5) | ((rest == 0.5) & (low & 1).astype(bool))
    if dtype.itemsize == 8:
        return join(high, low, dtype)
    return _clipped(join(high, low, base.dtype), dtype)
