"""Anchors given as a list of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.patching.samplers.base import SpatialSampler, as_pairs, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike

    from geopatcher.core.protocols import HasShape, RectGeometry


@dataclass(frozen=True, init=False)
class SpatialExplicit(SpatialSampler):
    """Patches at anchors that are given, in the order given.

    ``anchors_`` is a sequence of ``(row, col)`` or an integer array ``(n, 2)``: upper-left pixels.
    A patch that reaches over the edge of the raster is treated as the geometry's ``boundary`` says:
    moved in for ``"cover"``, left out for ``"drop"``, kept for ``"pad"``, ``"reflect"`` and ``"shrink"``.

    Parameters
    ----------
    anchors_
        ``(row, col)`` of each upper-left pixel, an integer array ``(n, 2)`` or pairs.

    Raises
    ------
    ValueError
        ``anchors_`` is not a list of pairs of whole numbers.

    Examples
    --------
    >>> from geopatcher.core.domain import RasterDomain
    >>> from geopatcher.patching.geometry import SpatialRectangular
    >>> list(SpatialExplicit([(5, 0), (0, 18)]).anchors(RasterDomain((20, 20)), SpatialRectangular(4)))
    [(5, 0), (0, 16)]

    """

    anchors_: tuple[tuple[int, int], ...]

    def __init__(self, anchors_: ArrayLike) -> None:
        given = np.asarray(anchors_)
        if given.size == 0:
            given = np.empty((0, 2), dtype=np.int64)
        if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iu":
            raise ValueError(
                f"anchors_ are pairs (row, col) of whole numbers, an array (n, 2), "
                f"not {given.dtype} shaped {given.shape}"
            )
        object.__setattr__(self, "anchors_", tuple(as_pairs(given.astype(np.int64))))

    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Return an iterator over the anchors.

        Raises
        ------
        ValueError
            A patch has no pixel in the domain.
        IncompleteScanConfiguration
            ``boundary="raise"`` and a patch overhangs.

        """
        anchors = np.array(self.anchors_, dtype=np.int64).reshape(-1, 2)
        grid = np.array(domain.shape[-2:], dtype=np.int64)
        outside = ((anchors <= -np.array(geometry.size)) | (anchors >= grid)).any(axis=1)
        if outside.any():
            row, col = anchors[outside][0].tolist()
            raise ValueError(
                f"{np.count_nonzero(outside)} of {len(anchors)} anchors lie outside the raster of "
                f"{grid[0]}x{grid[1]} (height x width), the first is (row {row}, column {col}): "
                f"leave them out, or check the order of row and column"
            )
        return as_pairs(settle(anchors, domain, geometry))
