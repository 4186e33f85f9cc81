"""Statistics of bands, counted tile by tile and put together in one order: the same whoever counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array

#: What is kept of each band of a tile: cells that hold data, their least, their greatest and their mean,
#: and the sum of the squares of what they are off that mean.
COUNT, LEAST, MOST, MEAN, SQUARES = range(5)


def moments_of(cells: Array, known: Array | None) -> Array:
    """Return the moments of each band of ``(bands, h, w)``, of cells that are ``known`` (``None``: of all).

    >>> moments_of(np.array([[[1, 3]]]), None).tolist()
    [[2.0, 1.0, 3.0, 2.0, 2.0]]
    """
    return np.stack([_of_band(band, None if known is None else known[i]) for i, band in enumerate(cells)])


def _of_band(cells: Array, known: Array | None) -> Array:
    held = cells.ravel() if known is None else cells[known]
    if not held.size:
        return np.zeros(5)
    most = held.max()
    if most != most:  # noqa: PLR0124 - NaN passes through max
        return _of_band(held, ~np.isnan(held))
    least = float(held.min())
    with np.errstate(invalid="ignore", over="ignore"):
        apart = held.astype(np.float64)
        mean = apart.mean()
        apart -= mean
        np.multiply(apart, apart, out=apart)
        return np.array([held.size, least, float(most), mean, apart.sum()])


def together(moments: Array) -> Array:
    """Return the moments of all of several parts, ``(parts, 5)``, that were taken in this order.

    By the pairwise formula of Chan, Golub and LeVeque (1979), for all parts at once.

    >>> together(np.array([[1, 1.0, 1, 1, 0], [1, 3.0, 3, 3, 0], [0, 0, 0, 0, 0]])).tolist()
    [2.0, 1.0, 3.0, 2.0, 2.0]
    """
    parts = moments[moments[:, COUNT] > 0]
    if not len(parts):
        return np.zeros(5)
    with np.errstate(invalid="ignore", over="ignore"):
        count = parts[:, COUNT].sum()
        mean = (parts[:, COUNT] * parts[:, MEAN]).sum() / count
        off = parts[:, COUNT] * (parts[:, MEAN] - mean) ** 2
        squares = parts[:, SQUARES].sum() + off.sum()
    return np.array([count, parts[:, LEAST].min(), parts[:, MOST].max(), mean, squares])


def tags_of(moments: Array, n_cells: int) -> dict[str, str]:
    """Return the tags of a band of ``n_cells`` as GDAL writes them; none where they are not finite.

    >>> tags_of(np.array([2, 1.0, 3.0, 2.0, 2.0]), 4)["STATISTICS_STDDEV"]
    '1'
    """
    count, least, most, mean, squares = moments.tolist()
    if not count or not np.isfinite(moments).all():
        return {}
    return {
        "STATISTICS_MAXIMUM": f"{most:.14g}",
        "STATISTICS_MEAN": f"{mean:.14g}",
        "STATISTICS_MINIMUM": f"{least:.14g}",
        "STATISTICS_STDDEV": f"{(squares / count) ** 0.5:.14g}",
        "STATISTICS_VALID_PERCENT": f"{100 * count / n_cells:.4g}",
    }
