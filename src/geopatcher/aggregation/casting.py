"""From accumulator to result: rounding, saturation and nodata, stated once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from geopatcher.aggregation.base import Finished
    from geopatcher.protocols import Array


def default_nodata(dtype: np.dtype, nodata: float | int | None) -> float | int | None:
    """Return the nodata value of a result: the one given if the dtype can hold it, NaN for floats.

    >>> default_nodata(np.dtype("uint8"), -9999.0), default_nodata(np.dtype("int16"), -9999.0)
    (None, -9999)
    >>> default_nodata(np.dtype("float32"), None)
    nan
    """
    if dtype.kind == "f":
        return float("nan") if nodata is None else float(dtype.type(nodata))
    if nodata is None or not np.isfinite(nodata) or int(nodata) != nodata:
        return None
    limits = np.iinfo(dtype)
    return int(nodata) if limits.min <= nodata <= limits.max else None


def to_dtype(finished: Finished, dtype: np.dtype, fill: float | int) -> Array:
    """Return values in ``dtype``, ``fill`` where no cell is covered.

    Integers round half to even and saturate at the ends of their range; they never wrap. A value
    that is NaN although covered becomes ``fill`` too, in integers.
    """
    values, covered = finished
    if dtype.kind in "iu" and values.dtype.kind == "f":
        out = _saturate(values, dtype, fill)
    elif dtype.kind in "iu" and values.dtype != dtype:
        limits = np.iinfo(dtype)
        low = max(int(limits.min), int(np.iinfo(values.dtype).min)) if values.dtype.kind in "iu" else 0
        high = min(int(limits.max), int(np.iinfo(values.dtype).max)) if values.dtype.kind in "iu" else 1
        out = (values if values.dtype.kind == "b" else np.clip(values, low, high)).astype(dtype)
    else:
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, as IEEE 754 rounds it
            out = values.astype(dtype, copy=False)
    if covered is not None:
        out[np.broadcast_to(~covered, out.shape)] = fill
    return out


def _saturate(values: Array, dtype: np.dtype, fill: float | int) -> Array:
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
    return out
