"""What pieces of borders look like: jumps and ridges at them and beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np

from geopatcher.core.box import Box
from geopatcher.report.phases import alike, period_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.report.borders import Borders, Segment

#: Cells on either side of a border that it is compared with.
REACH = 8
#: Half the width of a ridge: how far from a border its flanks are taken, in cells.
LAG = 4
#: Cells on either side of a border where it is looked whether jumps repeat.
FAR = 64
#: Where ridges are looked for, from a border: at it, and where it has no part.
RIDGES = (*range(-2 * LAG - REACH, -2 * LAG), 0, *range(2 * LAG + 1, 2 * LAG + REACH + 1))
#: Cells on either side of a border that are read.
MARGIN = FAR + 1
#: Most segments that are read for one axis.
MAX_SEGMENTS = 1024
#: Names of the axes: borders between rows, and between columns.
AXES = ("rows", "columns")
#: Jumps and ridges at their distances from one segment, or from many.
_Found: TypeAlias = "tuple[NDArray[np.float64], NDArray[np.float64]]"


@dataclass(frozen=True)
class Control:
    """A raster that has no borders there, such as the one a result was made from.

    ``read`` returns the cells of a box, ``(h, w)`` or ``(bands, h, w)``, missing ones NaN; with ``labels`` a
    jump is a change.
    """

    read: Callable[[Box], Array]
    labels: bool = False


@dataclass(frozen=True, slots=True)
class Samples:
    """What was found at segments: mean jumps ``(n, odd)`` and mean ridges ``(n, 2 REACH + 1)``.

    Those of the border itself are in the middle; NaN where there was no pair of cells, or another border.
    ``control`` holds the same of a raster that has no borders there, if there is one: what is in both is no
    seam. ``period`` is after how many cells the picture repeats along the axis, 1 where it does not; for two
    axes, the longer one.
    """

    axis: str
    borders: int
    jumps: NDArray[np.float64]
    ridges: NDArray[np.float64]
    control: Samples | None = None
    period: int = 1

    def join(self, other: Samples, axis: str) -> Samples:
        """Return the segments of two, both with controls or both without."""
        return Samples(
            axis,
            self.borders + other.borders,
            np.concatenate([self.jumps, other.jumps]),
            np.concatenate([self.ridges, other.ridges]),
            None if self.control is None or other.control is None else self.control.join(other.control, axis),
            max(self.period, other.period),
        )

    def compared(self) -> Self:
        """Return only what the borders of one axis are compared with: what lies near, and as they do."""
        middle = self.jumps.shape[1] // 2
        places = np.arange(self.jumps.shape[1]) - middle
        level = row_means(self.jumps)
        moving = level > 0
        period = period_of(row_means((self.jumps[moving] / level[moving, np.newaxis]).T))
        jumps = np.where(alike(places, period, REACH) | (places == 0), self.jumps, np.nan)
        ridges = self.ridges
        same = np.asarray(RIDGES) % period == 0
        if np.isfinite(ridges[:, same & (np.asarray(RIDGES) != 0)]).any():
            ridges = np.where(same, ridges, np.nan)
        control = None if self.control is None else self.control.compared()
        return replace(self, jumps=jumps, ridges=ridges, period=period, control=control)

    def of(self, kind: str) -> NDArray[np.float64]:
        """Return ``"jump"`` or ``"ridge"``."""
        return self.jumps if kind == "jump" else self.ridges


def sample(
    read: Callable[[Box], Array],
    borders: Borders,
    axis: int,
    grid: tuple[int, int],
    *,
    labels: bool = False,
    limit: int = MAX_SEGMENTS,
    seed: int = 0,
    control: Control | None = None,
) -> Samples:
    """Read the segments of one axis, of a band and of its ``control``."""
    found: list[_Found] = []
    same: list[_Found] = []
    for segment in borders.segments(axis, limit, seed):
        box = _around(segment, grid)
        cells = np.asarray(read(box), dtype=float)
        if control is not None:
            others = np.asarray(control.read(box), dtype=float).reshape(-1, *cells.shape)
            missing = np.isnan(cells) | np.isnan(others).any(axis=0)
            cells, others = np.where(missing, np.nan, cells), np.where(missing, np.nan, others)
            of_bands = [_find(each, box, borders, segment, labels=control.labels) for each in others]
            same.append(
                (_leveled([jumps for jumps, _ in of_bands]), _leveled([lines for _, lines in of_bands]))
            )
        found.append(_find(cells, box, borders, segment, labels=labels))
    compared = None if control is None else Samples(AXES[axis], 0, *_stacked(same))
    return Samples(AXES[axis], borders.count(axis), *_stacked(found), compared)


def row_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each row's values that are not NaN; NaN of none.

    >>> row_means(np.array([[1.0, 3.0, np.nan], [np.nan] * 3])).tolist()
    [2.0, nan]
    """
    known = np.isfinite(values)
    counts = known.sum(axis=1)
    sums = np.where(known, values, 0.0).sum(axis=1)
    means: NDArray[np.float64] = np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)
    return means


def _around(segment: Segment, grid: tuple[int, int]) -> Box:
    """Return the cells within MARGIN of a segment, inside the raster."""
    axis, position, lo, hi = segment
    first, stop = max(0, position - MARGIN), min(grid[axis], position + MARGIN)
    return Box(first, stop, lo, hi) if axis == 0 else Box(lo, hi, first, stop)


def _find(
    cells: NDArray[np.float64], box: Box, borders: Borders, segment: Segment, *, labels: bool
) -> _Found:
    """Return the mean jumps and ridges around a segment."""
    # One line for each distance from the border, which lies after half of them.
    lines = np.full((2 * MARGIN, cells.shape[1 - segment.axis]), np.nan)
    first = (box.row0 if segment.axis == 0 else box.col0) - segment.position + MARGIN
    lines[first : first + cells.shape[segment.axis]] = cells if segment.axis == 0 else cells.T
    beside = np.arange(-FAR, FAR + 1)
    with np.errstate(invalid="ignore"):  # infinity less infinity: not a jump anyone can measure
        at = beside + MARGIN
        before, after = lines[at - 1], lines[at]
        steps = _changes(before, after) if labels else np.abs(after - before)
        at = np.asarray(RIDGES) + MARGIN
        bends = np.abs(lines[at - 1] + lines[at] - lines[at - 1 - LAG] - lines[at + LAG]) / 2
    jumps, ridges = row_means(steps), row_means(bends)
    others = borders.hit(segment, segment.position + beside)
    others[FAR] = False
    jumps[others] = np.nan
    near = segment.position + np.add.outer(np.asarray(RIDGES), np.arange(-LAG, LAG + 1))
    touched: NDArray[np.bool_] = np.any(borders.hit(segment, near.ravel()).reshape(near.shape), axis=1)
    touched[REACH] = False
    ridges[touched] = np.nan
    return jumps, np.full_like(ridges, np.nan) if labels else ridges  # names have no height


def _leveled(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean of bands, each over its own mean: all count alike, whatever their units."""
    if len(rows) == 1:
        return rows[0]
    bands = np.stack(rows)
    levels = row_means(bands)[:, np.newaxis]
    return row_means(np.divide(bands, levels, out=np.full_like(bands, np.nan), where=levels > 0).T)


def _changes(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 where neighbours differ, NaN where either is missing."""
    changed: NDArray[np.float64] = np.where(np.isnan(before) | np.isnan(after), np.nan, before != after)
    return changed


def _stacked(found: Sequence[_Found]) -> _Found:
    if not found:
        return np.empty((0, 2 * FAR + 1)), np.empty((0, 2 * REACH + 1))
    return np.stack([jumps for jumps, _ in found]), np.stack([ridges for _, ridges in found])
