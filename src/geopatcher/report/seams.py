"""How visible the borders of patches are: the jump across them, against the jumps beside them.

Beside a border means within `REACH` cells of it, in the same segment of at most 128 cells. Each segment is
divided by its own mean jump: a calm lake counts as much as a busy town, and a seam is seen on the lake.
Under "no seam" the position of the border is exchangeable with those beside it, so the ratio is 1 whatever
the picture. Its confidence is a percentile bootstrap over segments (Efron & Tibshirani 1993, An Introduction
to the Bootstrap, chapter 13), with a fixed seed.

A seam may also be a ridge: an operator that is wrong near the edges of its patches, in the same way on
either side, leaves a line without a jump in its middle. So the cells at a border are compared with those
`LAG` cells off on both sides, too, and that with the same at places more than twice as far away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher.core.box import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.report.borders import Borders, Segment

#: Cells on either side of a border that it is compared with.
REACH = 8
#: Half the width of a ridge: how far from a border its flanks are taken, in cells.
LAG = 4
#: Where ridges are looked for, from a border: at it, and where it has no part.
RIDGES = (*range(-2 * LAG - REACH, -2 * LAG), 0, *range(2 * LAG + 1, 2 * LAG + REACH + 1))
#: Cells on either side of a border that are read.
MARGIN = 2 * LAG + REACH + LAG + 1
#: Most segments that are read for one axis.
MAX_SEGMENTS = 1024
#: Resamples of the bootstrap.
RESAMPLES = 2000
#: A jump larger by less than this share is not seen by anyone.
UNSEEN = 0.05
#: Jumps and ridges at their distances from one segment, or from many.
_Found: TypeAlias = "tuple[NDArray[np.float64], NDArray[np.float64]]"
#: Names of the axes: borders between rows, and between columns.
AXES = ("rows", "columns")


@dataclass(frozen=True, slots=True)
class Seam:
    """What was measured across the borders of one axis, or of both.

    Parameters
    ----------
    axis
        ``"rows"``, ``"columns"`` or ``"both"``.
    kind
        ``"jump"`` or ``"ridge"``.
    ratio
        The jump across borders over that beside them; NaN where nothing was measured, infinite where only
        borders jump.
    low, high
        The 95 % confidence of ``ratio``.
    at_borders, beside
        Mean jumps, in units of the raster.
    borders, segments
        How many borders there are, and how many pieces of them were measured.
    profile
        Relative jumps at the distances ``-REACH … REACH`` from a border; NaN where that is always another
        border. Not told of ridges.

    """

    axis: str
    kind: str
    ratio: float
    low: float
    high: float
    at_borders: float
    beside: float
    borders: int
    segments: int
    profile: tuple[float, ...] = ()

    @property
    def verdict(self) -> str:
        """``"visible"``, ``"faint"``, ``"not visible"``, ``"unsure"`` or ``"not measured"``."""
        if np.isnan(self.ratio):
            return "not measured"
        if self.low > 1.0 + UNSEEN:
            return "visible"
        if self.high <= 1.0 + UNSEEN:
            return "not visible"
        return "faint" if self.low > 1.0 else "unsure"

    @property
    def sentence(self) -> str:
        """What it means, for people."""
        known = {
            "visible": "seams are visible",
            "faint": "seams are faint",
            "not visible": "seams are not visible",
            "unsure": "whether seams are visible cannot be told from so few pixels",
        }
        if self.verdict not in known:
            beside = "nothing to compare the borders with"
            reason = beside if self.borders else "no border lies inside the raster"
            return f"seams were not measured: {reason}"
        return f"{known[self.verdict]} (ratio {self.ratio:.2f}, 95 % {self.low:.2f}-{self.high:.2f})"

    def __str__(self) -> str:
        name = self.axis if self.kind == "jump" else "ridges"
        return f"{name:<8} {self.sentence}; {self.borders:,} borders, {self.segments:,} segments"


@dataclass(frozen=True, slots=True)
class Seams:
    """The seams of one band: jumps across rows, across columns, both together, and ridges of both.

    Parameters
    ----------
    band
        Its name.
    rows, columns, both
        Jumps across borders of rows, of columns, and of both.
    ridges
        Ridges along borders of both.

    """

    band: str
    rows: Seam
    columns: Seam
    both: Seam
    ridges: Seam

    @property
    def strongest(self) -> Seam:
        """Jumps or ridges, whichever are seen more."""
        return max(self.both, self.ridges, key=surely)

    @property
    def visible(self) -> bool:
        """Whether a person would see them."""
        return self.strongest.verdict == "visible"

    def __repr__(self) -> str:
        seam = self.strongest
        return f"Seams({self.band!r}, {seam.verdict}, ratio {seam.ratio:.2f}, {seam.borders:,} borders)"

    def __str__(self) -> str:
        return "\n".join(str(seam) for seam in (self.rows, self.columns, self.both, self.ridges))


@dataclass(frozen=True, slots=True)
class Samples:
    """What was found at segments: mean jumps and mean ridges, each ``(n, 2 REACH + 1)``.

    Those of the border itself are in the middle; NaN where there was no pair of cells, or another border.
    ``control`` holds the same of a raster that has no borders there, if there is one: what is in both is no
    seam.
    """

    axis: str
    borders: int
    jumps: NDArray[np.float64]
    ridges: NDArray[np.float64]
    control: Samples | None = None

    def join(self, other: Samples, axis: str) -> Samples:
        """Return the segments of two, both with controls or both without."""
        return Samples(
            axis,
            self.borders + other.borders,
            np.concatenate([self.jumps, other.jumps]),
            np.concatenate([self.ridges, other.ridges]),
            None if self.control is None or other.control is None else self.control.join(other.control, axis),
        )

    def of(self, kind: str) -> NDArray[np.float64]:
        """Return ``"jump"`` or ``"ridge"``."""
        return self.jumps if kind == "jump" else self.ridges


def measure(
    read: Callable[[Box], Array],
    borders: Borders,
    grid: tuple[int, int],
    *,
    band: str = "",
    labels: bool = False,
    limit: int = MAX_SEGMENTS,
    seed: int = 0,
) -> Seams:
    """Measure the seams of one band.

    ``read`` returns the cells of a box, ``(h, w)``, missing ones NaN; only strips `REACH` cells around
    at most ``limit`` segments per axis are read, one at a time. With ``labels`` a jump is a change.

    Examples
    --------
    >>> from geopatcher.core.axis import Axis
    >>> from geopatcher.report.borders import LatticeBorders
    >>> axis = Axis(512, size=64, step=64)
    >>> noise = np.random.default_rng(0).random((512, 512))
    >>> steps = np.arange(512) // 64 % 2
    >>> borders = LatticeBorders.of(axis, axis)
    >>> measure(lambda box: noise[box.slices()], borders, (512, 512)).both.verdict
    'not visible'
    >>> stepped = noise + steps
    >>> seams = measure(lambda box: stepped[box.slices()], borders, (512, 512))
    >>> seams.rows.verdict, seams.columns.verdict
    ('not visible', 'visible')

    """
    rows, cols = (sample(read, borders, axis, grid, labels=labels, limit=limit, seed=seed) for axis in (0, 1))
    return summarise(rows, cols, band)


def summarise(rows: Samples, cols: Samples, band: str = "") -> Seams:
    """Return what two axes' samples say."""
    both = rows.join(cols, "both")
    return Seams(band, estimate(rows), estimate(cols), estimate(both), estimate(both, "ridge"))


def sample(
    read: Callable[[Box], Array],
    borders: Borders,
    axis: int,
    grid: tuple[int, int],
    *,
    labels: bool = False,
    limit: int = MAX_SEGMENTS,
    seed: int = 0,
    control: Callable[[Box], Array] | None = None,
) -> Samples:
    """Read the segments of one axis; ``control`` reads a raster that has no borders there."""
    found: list[_Found] = []
    same: list[_Found] = []
    for segment in borders.segments(axis, limit, seed):
        box = _around(segment, grid)
        cells = np.asarray(read(box), dtype=float)
        if control is not None:
            others = np.asarray(control(box), dtype=float)
            missing = np.isnan(cells) | np.isnan(others)
            cells, others = np.where(missing, np.nan, cells), np.where(missing, np.nan, others)
            same.append(_find(others, box, borders, segment, labels=labels))
        found.append(_find(cells, box, borders, segment, labels=labels))
    compared = None if control is None else Samples(AXES[axis], 0, *_stacked(same))
    return Samples(AXES[axis], borders.count(axis), *_stacked(found), compared)


def estimate(samples: Samples, kind: str = "jump") -> Seam:
    """Return ratio and confidence of jumps, or of ridges."""
    jumps = samples.of(kind)
    usable = _usable(jumps)
    control = None
    if samples.control is not None:
        natural = samples.control.of(kind)
        usable &= _usable(natural)
        control = _shares(natural[usable])
    jumps = jumps[usable]
    shares = _shares(jumps)
    ratio, low, high = _bootstrap(shares, control)
    return Seam(
        axis=samples.axis,
        kind=kind,
        ratio=ratio,
        low=low,
        high=high,
        at_borders=float(jumps[:, REACH].mean()) if len(jumps) else float("nan"),
        beside=float(_row_means(_beside(jumps)).mean()) if len(jumps) else float("nan"),
        borders=samples.borders,
        segments=len(jumps),
        profile=_profile(jumps, shares) if kind == "jump" else (),
    )


def surely(seam: Seam) -> float:
    """Return the lower end of a seam's confidence, to order by; one that was not measured comes first."""
    return -np.inf if np.isnan(seam.low) else seam.low


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
    beside = np.arange(-REACH, REACH + 1)
    with np.errstate(invalid="ignore"):  # infinity less infinity: not a jump anyone can measure
        at = beside + MARGIN
        before, after = lines[at - 1], lines[at]
        steps = _changes(before, after) if labels else np.abs(after - before)
        at = np.asarray(RIDGES) + MARGIN
        bends = np.abs(lines[at - 1] + lines[at] - lines[at - 1 - LAG] - lines[at + LAG]) / 2
    jumps, ridges = _row_means(steps), _row_means(bends)
    others = borders.hit(segment, segment.position + beside)
    others[REACH] = False
    jumps[others] = np.nan
    near = segment.position + np.add.outer(np.asarray(RIDGES), np.arange(-LAG, LAG + 1))
    touched: NDArray[np.bool_] = np.any(borders.hit(segment, near.ravel()).reshape(near.shape), axis=1)
    touched[REACH] = False
    ridges[touched] = np.nan
    return jumps, np.full_like(ridges, np.nan) if labels else ridges  # names have no height


def _changes(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 where neighbours differ, NaN where either is missing."""
    changed: NDArray[np.float64] = np.where(np.isnan(before) | np.isnan(after), np.nan, before != after)
    return changed


def _row_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each row's values that are not NaN; NaN of none."""
    known = np.isfinite(values)
    counts = known.sum(axis=1)
    sums = np.where(known, values, 0.0).sum(axis=1)
    means: NDArray[np.float64] = np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)
    return means


def _beside(jumps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return jumps without those at the border itself."""
    beside = jumps.copy()
    beside[:, REACH] = np.nan
    return beside


def _usable(jumps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which segments have a border, and two positions to compare it with."""
    others = np.isfinite(_beside(jumps)).sum(axis=1)
    usable: NDArray[np.bool_] = np.isfinite(jumps[:, REACH]) & (others >= 2)
    return usable


def _shares(jumps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the jump at each border and beside it over the segment's mean, ``(n, 2)``."""
    # A flat segment has no mean to divide by, and adds nothing to either sum.
    level = _row_means(jumps)
    both = np.stack([jumps[:, REACH], _row_means(_beside(jumps))], axis=1)
    return np.divide(both, level[:, np.newaxis], out=np.zeros_like(both), where=level[:, np.newaxis] > 0)


def _bootstrap(
    shares: NDArray[np.float64], control: NDArray[np.float64] | None, seed: int = 0
) -> tuple[float, float, float]:
    """Return a ratio of means, over the control's where there is one, and the ends of its 95 % confidence."""
    n = len(shares)
    if not shares.any():
        return (float("nan"),) * 3
    pairs = shares if control is None else np.concatenate([shares, control], axis=1)
    rng = np.random.default_rng(seed)
    ratios = []
    for start in range(0, RESAMPLES, 100):  # by hundreds: all at once would take memory for nothing
        drawn = rng.integers(n, size=(min(100, RESAMPLES - start), n))
        ratios.append(_ratios(pairs[drawn].sum(axis=1)))
    low, high = np.nanquantile(np.concatenate(ratios), (0.025, 0.975), method="nearest")
    return float(_ratios(pairs.sum(axis=0, keepdims=True))[0]), float(low), float(high)


def _ratios(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return across over beside, each row; over the control's where there are four columns."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: NDArray[np.float64] = sums[:, 0] / sums[:, 1]
        if sums.shape[1] == 4:
            natural = sums[:, 2] / sums[:, 3]
            ratio = ratio / np.where((natural > 0) & np.isfinite(natural), natural, 1.0)
    return ratio


def _profile(jumps: NDArray[np.float64], shares: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the mean jump at each distance from the border, over the mean jump beside it."""
    level = _row_means(jumps)
    moving = level > 0
    scale = shares[moving, 1].mean() if moving.any() else 0.0
    if not scale:
        return ()
    relative = jumps[moving] / level[moving, np.newaxis]
    return tuple(float(value) for value in _row_means(relative.T) / scale)


def _stacked(found: Sequence[_Found]) -> _Found:
    empty = np.empty((0, 2 * REACH + 1))
    if not found:
        return empty, empty
    return np.stack([jumps for jumps, _ in found]), np.stack([ridges for _, ridges in found])
