"""Samplers that place whole patches at random."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt
from operator import index
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from geopatcher.patching.samplers.base import (
    SpatialSampler,
    as_pairs,
    fixed_seed,
    free_positions,
    n_places,
    on_places,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geopatcher.core.protocols import HasShape, RectGeometry

#: Anchors drawn at once. Part of what a seed means: do not change.
_DRAWN = 4096
#: Most cells of the background grid of a Poisson-disk sample: at 100 bytes each, some 800 MB.
MAX_CELLS = 1 << 23


@dataclass(frozen=True, init=False)
class SpatialRandom(SpatialSampler):
    """``n_samples`` patches anywhere inside the raster, each position equally likely, independently.

    The same position can come twice. An integer ``seed`` gives the same anchors in every process;
    ``None`` draws one when the sampler is made.

    Parameters
    ----------
    n_samples
        How many patches, 0 or more.
    seed
        A whole number, or ``None`` to draw one when the sampler is made.

    Raises
    ------
    ValueError
        ``n_samples`` or the seed is negative.

    Examples
    --------
    >>> from geopatcher.core.domain import RasterDomain
    >>> from geopatcher.patching.geometry import SpatialRectangular
    >>> list(SpatialRandom(2, seed=7).anchors(RasterDomain((100, 100)), SpatialRectangular(10)))
    [(85, 56), (62, 81)]

    """

    n_samples: int
    seed: int

    def __init__(self, n_samples: SupportsIndex, seed: SupportsIndex | None = None) -> None:
        if index(n_samples) < 0:
            raise ValueError(f"n_samples is the number of patches, 0 or more, not {n_samples!r}")
        object.__setattr__(self, "n_samples", index(n_samples))
        object.__setattr__(self, "seed", fixed_seed(seed))

    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Return an iterator that draws as it goes; nothing when not even one patch has a place."""
        return on_places(domain, geometry, self._pixels)

    def _pixels(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        free = free_positions(domain, geometry)
        return self._drawn(free) if min(free) > 0 else iter(())

    def _drawn(self, free: tuple[int, int]) -> Iterator[tuple[int, int]]:
        random = np.random.default_rng(self.seed)
        for start in range(0, self.n_samples, _DRAWN):
            block = random.integers(0, free, size=(_DRAWN, 2))
            yield from as_pairs(block[: self.n_samples - start])


@dataclass(frozen=True, init=False)
class SpatialPoissonDisk(SpatialSampler):
    """Patches at random, but never closer than ``min_dist`` pixels, and with no large holes.

    Darts are thrown on a background grid of cells of ``min_dist / √2``, which hold at most one
    anchor each (the grid is that of Bridson (2007), "Fast Poisson disk sampling in arbitrary
    dimensions"; all empty cells throw at once, as in Wei (2008), "Parallel Poisson disk sampling").
    Each cell is tried ``max_tries`` times. Expect about ``0.7 area / min_dist²`` anchors.

    Parameters
    ----------
    min_dist
        Least distance of two anchors, in pixels.
    max_tries
        How often each cell is tried; 30 by default.
    seed
        A whole number, or ``None`` to draw one when the sampler is made.

    Raises
    ------
    ValueError
        ``min_dist`` is not positive and finite, ``max_tries`` less than 1, or the seed negative.

    Examples
    --------
    >>> from geopatcher.core.domain import RasterDomain
    >>> from geopatcher.patching.geometry import SpatialRectangular
    >>> sampler = SpatialPoissonDisk(min_dist=30, seed=0)
    >>> list(sampler.anchors(RasterDomain((50, 100)), SpatialRectangular(10)))
    [(0, 30), (9, 86), (22, 54), (29, 13), (39, 89)]

    """

    min_dist: float
    max_tries: int
    seed: int

    def __init__(
        self, min_dist: float, max_tries: SupportsIndex = 30, seed: SupportsIndex | None = None
    ) -> None:
        if not 0.0 < min_dist < np.inf:
            raise ValueError(
                f"min_dist is the least distance of anchors in pixels, positive and finite, not {min_dist!r}"
            )
        if index(max_tries) < 1:
            raise ValueError(f"max_tries is how often each place is tried, at least 1, not {max_tries!r}")
        object.__setattr__(self, "min_dist", float(min_dist))
        object.__setattr__(self, "max_tries", index(max_tries))
        object.__setattr__(self, "seed", fixed_seed(seed))

    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Return an iterator over the anchors, row-major.

        Raises
        ------
        ValueError
            There would be too many to find at once; the message gives the numbers.
        TypeError
            Places are numbered: pixels between them are not known.

        """
        if n_places(domain, geometry) is not None:
            raise TypeError(
                "SpatialPoissonDisk keeps pixels apart, and points, features and polygons are numbered: take "
                "SpatialRandom, SpatialRegularStride or SpatialExplicit"
            )
        return on_places(domain, geometry, self._pixels)

    def _pixels(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        free = free_positions(domain, geometry)
        if min(free) < 1:
            return iter(())
        return as_pairs(self._scattered(free))

    def _scattered(self, free: tuple[int, int]) -> NDArray[np.int64]:
        """Anchors ``(n, 2)``, sorted, in ``free`` rows and columns."""
        grid = _DartGrid(free, min(self.min_dist, hypot(*free)))  # farther apart than that there is one
        random = np.random.default_rng(self.seed)
        for _ in range(self.max_tries):
            grid.throw(random)
        return grid.anchors()


class _DartGrid:
    """Whole-pixel positions at least ``min_dist`` apart, found by throwing darts into cells."""

    #: Cells this far apart (in cells) can hold anchors that are too close.
    REACH = 2
    #: Coordinate of an empty cell: far from everything, and its square is still an int64.
    FAR = -(1 << 30)

    def __init__(self, free: tuple[int, int], min_dist: float) -> None:
        self.free = free
        # A hair less than the diagonal allows, so that rounding cannot put two anchors into one cell.
        self.cell = cell = max(1.0, min_dist / sqrt(2) * (1 - 1e-9))
        self.min_dist_squared = min_dist**2
        shape = (int((free[0] - 1) / cell) + 1, int((free[1] - 1) / cell) + 1)
        if shape[0] * shape[1] > MAX_CELLS:
            raise ValueError(
                f"anchors {min_dist:g} pixels apart on {free[0]}x{free[1]} positions are some "
                f"{0.35 * shape[0] * shape[1]:.2g}, too many to find at once: use a larger min_dist, a part "
                f"of the raster, or SpatialJitteredStride, which needs no list"
            )
        margin = 2 * self.REACH
        self.position = np.full((2, shape[0] + margin, shape[1] + margin), self.FAR, dtype=np.int64)
        self.position_row, self.position_col = self.position.reshape(2, -1)
        self.stride = shape[1] + margin
        rows, cols = np.indices(shape).reshape(2, -1)
        self.empty = (rows + self.REACH) * self.stride + cols + self.REACH
        self.priority = np.zeros(self.position_row.size, dtype=np.int64)

    def throw(self, random: np.random.Generator) -> None:
        """Throw one dart into each empty cell; of darts too close to each other one at most stays."""
        row = self._within(self.empty // self.stride - self.REACH, self.free[0], random)
        col = self._within(self.empty % self.stride - self.REACH, self.free[1], random)
        good = ~self._near(self.empty, row, col, rivals=False)
        cells, row, col = self.empty[good], row[good], col[good]
        self.priority[cells] = random.permutation(len(cells)) + 1
        self.position_row[cells], self.position_col[cells] = row, col
        beaten = self._near(cells, row, col, rivals=True)
        self.position_row[cells[beaten]] = self.position_col[cells[beaten]] = self.FAR
        self.empty = self.empty[self.position_row[self.empty] == self.FAR]

    def _within(self, cell: NDArray[np.int64], free: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Draw a whole coordinate in ``[cell, cell + 1)`` cells along an axis of ``free`` positions."""
        low = np.ceil(cell * self.cell).astype(np.int64)
        high = np.minimum(np.ceil((cell + 1) * self.cell).astype(np.int64), free)
        drawn: NDArray[np.int64] = random.integers(low, high)
        return drawn

    def _near(
        self, cells: NDArray[np.int64], row: NDArray[np.int64], col: NDArray[np.int64], *, rivals: bool
    ) -> NDArray[np.bool_]:
        """Where another position is too close: any, or (``rivals``) any of a dart with higher priority."""
        near = np.zeros(len(cells), dtype=bool)
        own = self.priority[cells]
        for down in range(-self.REACH, self.REACH + 1):
            for right in range(-self.REACH, self.REACH + 1):
                if down == right == 0:
                    continue
                other = cells + (down * self.stride + right)
                squared = (self.position_row[other] - row) ** 2 + (self.position_col[other] - col) ** 2
                close = squared < self.min_dist_squared
                near |= close & (self.priority[other] > own) if rivals else close
        return near

    def anchors(self) -> NDArray[np.int64]:
        """Positions found, ``(n, 2)``, row-major."""
        taken = self.position_row != self.FAR
        found = np.stack([self.position_row[taken], self.position_col[taken]], axis=1)
        return found[np.lexsort((found[:, 1], found[:, 0]))]
