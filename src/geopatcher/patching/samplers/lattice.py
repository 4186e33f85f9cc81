"""Samplers on a regular lattice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from geopatcher.core.axis import Axis, lattice_axes, pixel_pair
from geopatcher.errors import IncompleteScanConfiguration
from geopatcher.patching.samplers.base import SpatialSampler, fixed_seed, free_positions, on_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike

    from geopatcher.core.protocols import HasShape, RectGeometry


@dataclass(frozen=True, init=False)
class SpatialRegularStride(SpatialSampler):
    """Patches every ``step`` pixels, from the upper-left corner, row by row.

    ``step`` is ``(rows, columns)`` or one number for both; the geometry's ``boundary`` says what
    becomes of the last position of each axis. With ``check_full_scan=True`` positions that leave
    pixels without any patch, or that do not divide the raster evenly, are an error.

    Parameters
    ----------
    step
        ``(rows, columns)`` in pixels, or one number for both.
    check_full_scan
        Whether positions that do not fit are an error; false by default.

    Raises
    ------
    ValueError
        ``step`` is not a positive whole number or a pair of them.

    Examples
    --------
    >>> from geopatcher.core.domain import RasterDomain
    >>> from geopatcher.patching.geometry import SpatialRectangular
    >>> list(SpatialRegularStride(4).anchors(RasterDomain((4, 10)), SpatialRectangular(4)))
    [(0, 0), (0, 4), (0, 6)]

    """

    step: tuple[int, int]
    check_full_scan: bool

    def __init__(self, step: ArrayLike, check_full_scan: bool = False) -> None:
        object.__setattr__(self, "step", pixel_pair(step, "step"))
        object.__setattr__(self, "check_full_scan", bool(check_full_scan))

    def lattice(self, domain: HasShape, geometry: RectGeometry) -> tuple[Axis, Axis]:
        """Return the axis of rows and the axis of columns; nothing is enumerated.

        Parameters
        ----------
        domain
            Anything with a ``shape`` that ends in height and width.
        geometry
            Says the size of patches, and what becomes of those that overhang.

        Returns
        -------
        tuple of Axis
            Of rows, and of columns.

        Raises
        ------
        IncompleteScanConfiguration
            ``check_full_scan=True`` or ``boundary="raise"``, and the positions do not fit.

        """
        axes = lattice_axes(domain.shape, geometry.size, self.step, geometry.boundary)
        if self.check_full_scan:
            for axis, name in zip(axes, ("rows", "columns"), strict=True):
                _check_full(axis, name)
        return axes

    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Return an iterator over the lattice, row-major. Errors come here, not at the first anchor."""
        return on_places(domain, geometry, self._pixels)

    def _pixels(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        rows, cols = self.lattice(domain, geometry)
        return ((row, col) for row in _positions(rows) for col in _positions(cols))


@dataclass(frozen=True, init=False)
class SpatialJitteredStride(SpatialSampler):
    """A regular lattice with each patch shifted at random, against artefacts of the lattice itself.

    ``jitter`` is the largest shift as a fraction of ``step``, either way, in each axis. Patches stay
    inside the raster where they fit, and the outermost ones at its edges, along which they move.
    Neighbours may drift apart: with ``boundary="cover"`` every pixel is sure to be covered when
    ``(1 + 2 jitter) step`` is at most the patch size.

    Parameters
    ----------
    step
        ``(rows, columns)`` in pixels, or one number for both.
    jitter
        The largest shift as a fraction of ``step``, 0 to 1; 0.5 by default.
    seed
        A whole number, or ``None`` to draw one when the sampler is made.

    Raises
    ------
    ValueError
        ``jitter`` is not in [0, 1], the step not positive, or the seed negative.

    Examples
    --------
    >>> from geopatcher.core.domain import RasterDomain
    >>> from geopatcher.patching.geometry import SpatialRectangular
    >>> list(SpatialJitteredStride(8, seed=1).anchors(RasterDomain((8, 32)), SpatialRectangular(8)))
    [(0, 0), (0, 12), (0, 13), (0, 24)]

    """

    step: tuple[int, int]
    jitter: float
    seed: int

    def __init__(self, step: ArrayLike, jitter: float = 0.5, seed: SupportsIndex | None = None) -> None:
        if not 0.0 <= jitter <= 1.0:
            raise ValueError(f"jitter is the largest shift as a fraction of the step, 0 to 1, not {jitter!r}")
        object.__setattr__(self, "step", pixel_pair(step, "step"))
        object.__setattr__(self, "jitter", float(jitter))
        object.__setattr__(self, "seed", fixed_seed(seed))

    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Return an iterator over the shifted lattice, in the order of the lattice."""
        return on_places(domain, geometry, self._pixels)

    def _pixels(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        rows, cols = lattice_axes(domain.shape, geometry.size, self.step, geometry.boundary)
        free_rows, free_cols = free_positions(domain, geometry)
        return self._shifted(rows, cols, free_rows - 1, free_cols - 1)

    def _shifted(self, rows: Axis, cols: Axis, last_row: int, last_col: int) -> Iterator[tuple[int, int]]:
        random = np.random.default_rng(self.seed)
        most = np.floor(np.array(self.step) * self.jitter).astype(np.int64)
        regular_cols = np.fromiter(_positions(cols), dtype=np.int64)
        for number, row in enumerate(_positions(rows)):
            shifts = random.integers(-most, most, size=(cols.count, 2), endpoint=True)
            shifts[[0, -1], 1] = 0
            if number in (0, rows.count - 1):
                shifts[:, 0] = 0
            moved_rows = np.clip(row + shifts[:, 0], 0, last_row)
            moved_cols = np.clip(regular_cols + shifts[:, 1], 0, last_col)
            yield from zip(moved_rows.tolist(), moved_cols.tolist(), strict=True)


def _positions(axis: Axis) -> Iterator[int]:
    return map(axis.anchor, range(axis.count))


def _check_full(axis: Axis, name: str) -> None:
    """Refuse an axis that leaves pixels out or whose regular positions do not end at its last pixel."""
    spare = axis.length - axis.size
    if axis.uncovered == 0 and spare >= 0 and spare % axis.step == 0:
        return
    fix = f"choose a step of at most {axis.size} that divides {axis.length} - {axis.size} = {spare}"
    if spare < 0:
        wrong, fix = "are larger than the raster", "choose a smaller size"
    elif axis.uncovered:
        wrong = f"leave {axis.uncovered} {name} without any patch"
    else:
        wrong = f"leave {spare % axis.step} {name} behind the last regular position"
    raise IncompleteScanConfiguration(
        f"patches of {axis.size} with step {axis.step} on {axis.length} {name} {wrong}, and "
        f"check_full_scan=True refuses that: {fix}, or check_full_scan=False"
    )
