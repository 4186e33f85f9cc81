"""A sampler that draws patches to train on by a density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from geopatcher.errors import SourceError
from geopatcher.training.samplers import DrawnSampler, sample_number
from geopatcher.training.strips import Piece, pieces, read_piece, told_raster

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.protocols import PixelSource
    from geopatcher.fields.open import Source


@dataclass(frozen=True, init=False, eq=False, repr=False)
class SpatialWeighted(DrawnSampler):
    """Patches around pixels that are drawn with a density: twice as large, twice as likely.

    Each pixel is drawn independently, and can come twice. It lies in the middle of its patch, or beside it
    where the patch would reach over the edge of the raster. The density is read in two passes, piece by
    piece, so it may be too big for memory. The same seed gives the same anchors in every call and process.

    Parameters
    ----------
    density
        A raster of one band of numbers that are not negative, of any sum: a path, an array, anything that is
        split. It lies on the pixels of the raster that patches are cut from, or is a file that is warped onto
        them. Pixels without data count as 0.
    n_samples
        How many patches, 0 or more.
    seed
        A whole number, or ``None`` to draw one when the sampler is made.

    Raises
    ------
    ValueError
        ``n_samples`` or the seed is negative; when anchors are asked for, a density is negative or infinite,
        or all are 0.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import RasterDomain, SpatialRectangular, SpatialWeighted
    >>> density = np.zeros((100, 100))
    >>> density[20, 30], density[70, 40] = 1.0, 3.0
    >>> sampler = SpatialWeighted(density, 8, seed=0)
    >>> sorted(sampler.anchors(RasterDomain((100, 100)), SpatialRectangular(10)))[1:4]
    [(15, 25), (65, 35), (65, 35)]

    """

    n_samples: int

    raster_parameter = "density"

    def __init__(self, density: Source, n_samples: SupportsIndex, seed: SupportsIndex | None = None) -> None:
        self._keep(density, sample_number(n_samples), seed)

    @property
    def density(self) -> Source:
        """The raster of densities."""
        return self.raster

    def __repr__(self) -> str:
        density = told_raster(self.raster)
        return f"SpatialWeighted(density={density}, n_samples={self.n_samples}, seed={self.seed})"

    def _pixels_of(self, source: PixelSource) -> NDArray[np.int64]:
        found = [(piece.box, _weights(piece, source.name).sum(axis=1)) for piece in pieces(source)]
        rows = np.cumsum(np.concatenate([sums for _, sums in found]))
        if not rows[-1] > 0:
            raise ValueError(f"the density {source.name} is 0 everywhere: there is nothing to draw")
        random = np.random.default_rng(self.seed)
        # A draw may be rounded up to the sum itself, which is beyond the last pixel.
        drawn = np.minimum(random.random(self.n_samples) * rows[-1], np.nextafter(rows[-1], 0))
        within = np.searchsorted(rows, drawn, side="right")
        before = np.concatenate([[0.0], rows[:-1]])
        centres = np.empty((self.n_samples, 2), dtype=np.int64)
        for box, sums in found:
            here = np.flatnonzero((within >= box.row0) & (within < box.row1))
            if not here.size:
                continue
            weights = _weights(read_piece(source, box), source.name)
            if not np.array_equal(weights.sum(axis=1), sums):
                raise SourceError(f"{source.name} changed while it was read, in {box}")
            for row in np.unique(within[here]).tolist():
                numbers = here[within[here] == row]
                centres[numbers, 0] = row
                centres[numbers, 1] = _columns(weights[row - box.row0], drawn[numbers] - before[row])
        return centres


def _weights(piece: Piece, name: str) -> NDArray[np.float64]:
    weights = np.where(piece.known, piece.pixels, 0).astype(np.float64)
    wrong = np.argwhere(~((weights >= 0) & np.isfinite(weights)))
    if len(wrong):
        row, col = wrong[0].tolist()
        raise ValueError(
            f"a density is a finite number that is not negative, and {name} has {weights[row, col]} at row "
            f"{row + piece.box.row0}, column {col}"
        )
    return weights


def _columns(weights: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the pixels of a row in which a running sum of densities passes numbers.

    Sums of other orders differ in their last digits, so a number beyond the last is in the last pixel that
    can be drawn.

    >>> _columns(np.array([0.0, 1.0, 0.0, 2.0, 0.0]), np.array([0.0, 0.5, 1.0, 3.1])).tolist()
    [1, 1, 3, 3]
    """
    sums = np.cumsum(weights)
    last = int(np.searchsorted(sums, sums[-1]))
    return np.minimum(np.searchsorted(sums, drawn, side="right"), last).astype(np.int64)
