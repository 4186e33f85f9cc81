"""Overview levels: grids of half the resolution, again and again, and how cells become one.

The levels are said in the attributes of the store after the GeoZarr convention ``multiscales``
(https://github.com/zarr-conventions/multiscales), composed with ``spatial`` and ``proj``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from geopatcher.core.metadata import Ground
from geopatcher.targets.georef import conventions, grid_attributes, shared_attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.domain import RasterDomain, ResultSpec
    from geopatcher.core.protocols import Array

#: How four cells become one.
METHODS = ("average", "mode", "nearest")

MULTISCALES = {
    "uuid": "d35379db-88df-4056-af3a-620245f8e347",
    "schema_url": "https://raw.githubusercontent.com/zarr-conventions/multiscales/refs/tags/v1/schema.json",
    "spec_url": "https://github.com/zarr-conventions/multiscales/blob/v1/README.md",
    "name": "multiscales",
    "description": "Multiscale layout of zarr datasets",
}


def check_method(method: str | None) -> None:
    """Refuse a way of making overviews that is not known; ``None`` is the default.

    Raises
    ------
    ValueError
        Lists the known ones.

    """
    if method is not None and method not in METHODS:
        raise ValueError(f"overview {method!r} is none of {', '.join(METHODS)}")


def level_domains(domain: RasterDomain, chunks: tuple[int, int]) -> list[RasterDomain]:
    """Return the grids of the levels, each of half the resolution of the one before.

    They end when a chunk holds all. The origin stays. A last row or column that is alone makes a cell
    that reaches over the edge.

    Examples
    --------
    >>> from geopatcher.core.domain import RasterDomain
    >>> [level.shape for level in level_domains(RasterDomain((3, 100, 41)), (32, 32))]
    [(3, 50, 21), (3, 25, 11)]

    """
    levels = []
    while domain.height > chunks[0] or domain.width > chunks[1]:
        a, b, c, d, e, f = domain.transform[:6]
        shape = (*domain.shape[:-2], *halved_shape(domain.grid_shape))
        domain = replace(
            domain,
            shape=shape,
            transform=Affine(2 * a, 2 * b, c, 2 * d, 2 * e, f),
            metadata=replace(domain.metadata, ground=Ground()),  # which counts in pixels of the finest
        )
        levels.append(domain)
    return levels


def halved_shape(grid: tuple[int, int]) -> tuple[int, int]:
    """Return ``(height, width)`` of a grid of half the resolution.

    >>> halved_shape((3, 4))
    (2, 2)
    """
    return -(-grid[0] // 2), -(-grid[1] // 2)


def pyramid_attributes(spec: ResultSpec) -> dict[str, object]:
    """Return the attributes of a store whose groups ``1``, ``2``, ... hold overview levels.

    Shape and transform are told level by level; the convention forbids to repeat them for the store.
    """
    layout: list[dict[str, object]] = [{"asset": "data", **grid_attributes(spec.domain)}]
    for number, level in enumerate(level_domains(spec.domain, spec.chunks), start=1):
        entry = {
            "asset": f"{number}/data",
            "derived_from": layout[-1]["asset"],
            "transform": {"scale": [2.0, 2.0], "translation": [0.0, 0.0]},
            "resampling_method": spec.overview,
        }
        layout.append(entry | grid_attributes(level))
    return {
        **shared_attributes(spec.domain),
        "spatial:registration": "pixel",
        "multiscales": {"layout": layout, "resampling_method": spec.overview},
        "zarr_conventions": [MULTISCALES, *conventions(spec.domain)],
    }


def halve(
    cells: Array, method: str, known: Array | None, fill: float | int, nodata: float | int | None = None
) -> Array:
    """Return ``cells``, ``(h, w)``, at half the resolution: ``(ceil(h / 2), ceil(w / 2))``.

    Cells that are not ``known`` (``None``: all are) do not count; where none of four is, the result is
    ``fill``. A mean that happens to be ``nodata`` gives way to one of the values it is the mean of.

    - ``"average"``: the mean; that of integers is rounded, halves up;
    - ``"mode"``: the most frequent value, the smallest of several;
    - ``"nearest"``: the upper left of the four, missing or not.

    Examples
    --------
    >>> cells = np.array([[1, 2, 9], [3, 255, 9]], "uint8")
    >>> halve(cells, "average", known_cells(cells, 255), 255)
    array([[2, 9]], dtype=uint8)
    >>> cells = np.array([[7, 2, 3], [7, 2, 255]])
    >>> halve(cells, "mode", known_cells(cells, 255), 255)
    array([[2, 3]])

    """
    if method == "nearest":
        return cells[::2, ::2]
    cells = _even(cells)
    known = None if known is None or known.all() else _even(known)
    four = _quarters(cells)
    valid = None if known is None else _quarters(known)
    if method == "mode":
        return _mode(four, valid, fill)
    mean = _mean_of_floats(four, valid, fill) if cells.dtype.kind == "f" else _mean(four, valid, fill)
    if nodata is not None and nodata == nodata:  # noqa: PLR0124 - no mean equals NaN
        _step_aside(mean, four, valid, nodata)
    return mean


def _step_aside(
    mean: Array, four: Sequence[Array], valid: Sequence[Array] | None, nodata: float | int
) -> None:
    """Put one of the values in place of a mean of them that would be taken for missing."""
    taken = mean == mean.dtype.type(nodata)
    if not taken.any():
        return
    for number, part in enumerate(four):
        fits = taken & (part != part.dtype.type(nodata))
        if valid is not None:
            fits &= valid[number]
        np.copyto(mean, part, where=fits)
        taken &= ~fits


def halve_known(known: Array, method: str) -> Array:
    """Return which cells of `halve`'s result hold data.

    >>> halve_known(np.array([[False, True, False]]), "average")
    array([[ True, False]])
    """
    if method == "nearest":
        return known[::2, ::2]
    first, second, third, fourth = _quarters(_even(known))
    some: Array = first | second | third | fourth
    return some


def _even(cells: Array) -> Array:
    """Repeat a last row or column that is alone.

    Twice it weighs as much as once: the mean and the mode are those of what there is.
    """
    rows, cols = cells.shape[0] % 2, cells.shape[1] % 2
    return np.pad(cells, ((0, rows), (0, cols)), mode="edge") if rows or cols else cells


def _quarters(cells: Array) -> list[Array]:
    """Return the upper left, upper right, lower left and lower right of each four cells."""
    return [np.ascontiguousarray(cells[row::2, col::2]) for row in (0, 1) for col in (0, 1)]


def known_cells(cells: Array, nodata: float | int | None) -> Array | None:
    """Return which cells hold data: are neither NaN nor ``nodata``; ``None`` when all do."""
    known: Array | None = None
    if cells.dtype.kind == "f" and np.isnan(cells.max()):  # NaN passes through max
        known = ~np.isnan(cells)
    if nodata is not None and nodata == nodata:  # noqa: PLR0124 - NaN has been looked for
        apart: Array = cells != cells.dtype.type(nodata)
        known = apart if known is None else known & apart
    return None if known is None or known.all() else known


def _mean_of_floats(four: Sequence[Array], valid: Sequence[Array] | None, fill: float | int) -> Array:
    dtype = four[0].dtype
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        if valid is None:
            total = np.add(four[0], four[1], dtype=np.float64)
            total += four[2]
            total += four[3]
            total *= 0.25
            return total.astype(dtype)
        count = np.zeros(four[0].shape, np.uint8)
        total = np.zeros(four[0].shape)
        for part, known in zip(four, valid, strict=True):
            count += known
            np.add(total, part, out=total, where=known)
        mean: Array = (total / count).astype(dtype)
    mean[count == 0] = fill
    return mean


def _mean(four: Sequence[Array], valid: Sequence[Array] | None, fill: float | int) -> Array:
    """Divide before adding: the sum of four 64-bit integers need not fit into one."""
    dtype = four[0].dtype
    if valid is None:
        return _divided(four, np.asarray(4, dtype))
    count = np.zeros(four[0].shape, dtype)
    for known in valid:
        count += known
    four = [np.where(known, part, dtype.type(0)) for part, known in zip(four, valid, strict=True)]
    mean = _divided(four, np.maximum(count, dtype.type(1)))
    mean[count == 0] = fill
    return mean


def _divided(parts: Sequence[Array], count: Array) -> Array:
    """Return ``sum(parts) / count``, halves rounded up, without a sum that could overflow."""
    whole = np.zeros_like(parts[0])
    rest = np.zeros_like(parts[0]) + count // 2
    for part in parts:
        quotient = part // count
        whole += quotient
        rest += part - quotient * count
    mean: Array = whole + rest // count
    return mean


def _mode(four: Sequence[Array], valid: Sequence[Array] | None, fill: float | int) -> Array:
    one = np.ones(four[0].shape, np.uint8)
    votes = [one.copy() if valid is None else valid[part].astype(np.uint8) for part in range(4)]
    for here, there in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        same = four[here] == four[there]
        if valid is not None:
            same &= valid[here] & valid[there]
        votes[here] += same
        votes[there] += same
    best: Array = four[0].copy()
    most = votes[0]
    for part, count in zip(four[1:], votes[1:], strict=True):
        better = (count > most) | ((count == most) & (part < best))
        np.copyto(best, part, where=better)
        np.maximum(most, count, out=most)
    if valid is not None:
        best[most == 0] = fill
    return best
