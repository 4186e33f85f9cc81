"""Slow and plain: what the library must give, computed over whole arrays in memory."""

from __future__ import annotations

import itertools

import numpy as np


def starts(length, size, step, boundary):
    """Where patches start along an axis, listed one by one."""
    if length < size and boundary in ("drop", "raise"):
        return []
    found = list(range(0, max(1, length - size + 1), step))
    if found[-1] + size < length:
        if boundary == "cover":
            found.append(length - size)
        elif boundary in ("pad", "reflect", "shrink") and found[-1] + step < length:
            found.append(found[-1] + step)
    return found


def around(image, margin, boundary, pad_value=None):
    """The image with ``margin`` pixels on every side, filled as the boundary says."""
    widths = ((0, 0), (margin, margin), (margin, margin))
    if boundary == "pad":
        return np.pad(image, widths, constant_values=0 if pad_value is None else pad_value)
    for axis in (1, 2):  # one pixel alone is not reflected by NumPy, but repeated
        width = [(0, 0)] * 3
        width[axis] = (margin, margin)
        image = np.pad(image, width, mode="reflect" if image.shape[axis] > 1 else "edge")
    return image


def patches(image, size, step, boundary, pad_value=None):
    """Every patch of ``(bands, H, W)``: its first row and column, and its pixels."""
    _, height, width = image.shape
    margin = max(size)
    big = around(image, margin, boundary, pad_value)
    rows = starts(height, size[0], step[0], boundary)
    cols = starts(width, size[1], step[1], boundary)
    for row, col in itertools.product(rows, cols):
        stop = (row + size[0], col + size[1])
        if boundary == "shrink":
            stop = (min(stop[0], height), min(stop[1], width))
        window = big[:, row + margin : stop[0] + margin, col + margin : stop[1] + margin]
        yield row, col, window


def overlap_add(image, operator, size, step, weights, boundary="cover"):
    """Weighted mean of the operator's results, in float64; NaN where nothing counts."""
    _, height, width = image.shape
    total = weight = None
    for row, col, window in patches(image, size, step, boundary):
        result = np.asarray(operator(window.copy()), dtype=np.float64)
        if total is None:
            total = np.zeros((result.shape[0], height + size[0], width + size[1]))
            weight = np.zeros_like(total)
        taper = weights[: window.shape[1], : window.shape[2]]
        known = ~np.isnan(result)
        place = (slice(None), slice(row, row + window.shape[1]), slice(col, col + window.shape[2]))
        total[place] += np.where(known, result, 0) * taper
        weight[place] += known * taper
    with np.errstate(invalid="ignore"):
        return (total / weight)[:, :height, :width]


def ulps(got, wanted):
    """Largest distance of two float arrays in units of the last place of the wanted one."""
    if got.dtype.kind != "f":
        return int(np.abs(got.astype(object) - wanted.astype(object)).max())
    both = np.isnan(got) == np.isnan(wanted)
    assert both.all(), f"{np.count_nonzero(~both)} cells are NaN in one array only"
    known = ~np.isnan(wanted)
    known &= got != wanted  # infinities are equal to themselves
    away = np.abs(got[known] - wanted[known])
    return float((away / np.spacing(np.abs(wanted[known]))).max(initial=0.0))
