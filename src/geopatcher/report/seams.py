"""How visible the borders of patches are: the jump across them, against the jumps beside them.

Beside a border means within `REACH` cells of it, in the same segment of at most 128 cells. Each segment is
divided by its own mean jump: a calm lake counts as much as a busy town, and a seam is seen on the lake.
Under "no seam" the position of the border is exchangeable with those beside it, so the ratio is 1 whatever
the picture. Its confidence is a percentile bootstrap over segments (Efron & Tibshirani 1993, An Introduction
to the Bootstrap, chapter 13), with a fixed seed.

Two things make borders stand out that no operator is to blame for. A picture that repeats every few cells
is compared only with the places that lie as the border does (`geopatcher.report.phases`). And where the
raster is at hand that a result was made from, the ratio is divided by that of the same places in it.

A seam may also be a ridge: an operator that is wrong near the edges of its patches, in the same way on
either side, leaves a line without a jump in its middle. So the cells at a border are compared with those
`LAG` cells off on both sides, too, and that with the same at places more than twice as far away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.html_cards import card, facts_of
from geopatcher.report.segments import MAX_SEGMENTS, REACH, Samples, row_means, sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array
    from geopatcher.report.borders import Borders
    from geopatcher.report.segments import Control

#: Resamples of the bootstrap.
RESAMPLES = 2000
#: A jump larger by less than this share is not seen by anyone.
UNSEEN = 0.05


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
        border, or lies in another way in a picture that repeats. Not told of ridges.
    natural
        The same ratio in the raster the result was made from, which ``ratio`` is divided by; ``None`` where
        that was not at hand.
    period
        After how many cells the picture repeats, 1 where it does not.

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
    natural: float | None = None
    period: int = 1

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
        against = "" if self.natural is None else " to the input"
        return f"{known[self.verdict]} (ratio{against} {self.ratio:.2f}, 95 % {self.low:.2f}-{self.high:.2f})"

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

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> image = np.random.default_rng(0).random((256, 256), dtype="float32")
    >>> tiles = geopatcher.reconstruct(image, lambda patch: patch + patch[0, 0] * 9, size=32, step=32)
    >>> seams = geopatcher.measure_seams(tiles, source=image)[0]
    >>> seams.both.ratio > 2, seams.visible
    (True, True)

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

    def _repr_html_(self) -> str:
        return card(f"Seams of {self.band}", facts_of(str(self)))


def measure(
    read: Callable[[Box], Array],
    borders: Borders,
    grid: tuple[int, int],
    *,
    band: str = "",
    labels: bool = False,
    limit: int = MAX_SEGMENTS,
    seed: int = 0,
    control: Control | None = None,
) -> Seams:
    """Measure the seams of one band.

    ``read`` returns the cells of a box, ``(h, w)``, missing ones NaN; only strips `MARGIN` cells around
    at most ``limit`` segments per axis are read, one at a time. With ``labels`` a jump is a change.
    ``control`` is the raster the result was made from: what jumps in both is no seam.

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
    rows, cols = (
        sample(read, borders, axis, grid, labels=labels, limit=limit, seed=seed, control=control)
        for axis in (0, 1)
    )
    return summarise(rows, cols, band)


def summarise(rows: Samples, cols: Samples, band: str = "") -> Seams:
    """Return what two axes' samples say."""
    rows, cols = rows.compared(), cols.compared()
    both = rows.join(cols, "both")
    return Seams(band, estimate(rows), estimate(cols), estimate(both), estimate(both, "ridge"))


def estimate(samples: Samples, kind: str = "jump") -> Seam:
    """Return ratio and confidence of jumps, or of ridges."""
    jumps = samples.of(kind)
    usable = _usable(jumps)
    control = None
    if samples.control is not None:
        same = samples.control.of(kind)
        usable &= _usable(same)
        control = _shares(same[usable])
    jumps = jumps[usable]
    shares = _shares(jumps)
    ratio, low, high = _bootstrap(shares, control)
    natural = None if control is None else float(_ratios(control.sum(axis=0, keepdims=True))[0])
    return Seam(
        axis=samples.axis,
        kind=kind,
        ratio=ratio,
        low=low,
        high=high,
        at_borders=float(jumps[:, jumps.shape[1] // 2].mean()) if len(jumps) else float("nan"),
        beside=float(row_means(_beside(jumps)).mean()) if len(jumps) else float("nan"),
        borders=samples.borders,
        segments=len(jumps),
        profile=_profile(jumps, shares) if kind == "jump" else (),
        natural=natural,
        period=samples.period,
    )


def surely(seam: Seam) -> float:
    """Return the lower end of a seam's confidence, to order by; one that was not measured comes first."""
    return -np.inf if np.isnan(seam.low) else seam.low


def _beside(jumps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return jumps without those at the border itself."""
    beside = jumps.copy()
    beside[:, jumps.shape[1] // 2] = np.nan
    return beside


def _usable(jumps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which segments have a border, and two positions to compare it with."""
    others = np.isfinite(_beside(jumps)).sum(axis=1)
    usable: NDArray[np.bool_] = np.isfinite(jumps[:, jumps.shape[1] // 2]) & (others >= 2)
    return usable


def _shares(jumps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the jump at each border and beside it over the segment's mean, ``(n, 2)``."""
    # A flat segment has no mean to divide by, and adds nothing to either sum.
    level = row_means(jumps)
    both = np.stack([jumps[:, jumps.shape[1] // 2], row_means(_beside(jumps))], axis=1)
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
            only = np.isinf(ratio) & np.isinf(natural)  # only borders jump, in both
            ratio = np.where(only, sums[:, 0] / sums[:, 2], ratio)
            ratio = ratio / np.where((natural > 0) & np.isfinite(natural), natural, 1.0)
    return ratio


def _profile(jumps: NDArray[np.float64], shares: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the mean jump at each distance from the border, over the mean jump beside it."""
    level = row_means(jumps)
    moving = level > 0
    scale = shares[moving, 1].mean() if moving.any() else 0.0
    if not scale:
        return ()
    middle = jumps.shape[1] // 2
    relative = jumps[moving, middle - REACH : middle + REACH + 1] / level[moving, np.newaxis]
    return tuple(float(value) for value in row_means(relative.T) / scale)
