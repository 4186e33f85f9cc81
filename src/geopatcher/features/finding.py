"""A detector called on patches, and what it found put onto the grid of the raster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.engine.patch_calls import PatchCalls
from geopatcher.errors import OperatorError
from geopatcher.features.detections import Detections
from geopatcher.features.detector_results import detections_of, results_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geopatcher.core.axis import Axis
    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array
    from geopatcher.engine.cuts import Cut
    from geopatcher.planning.anchors import Lattice

#: What ends this close to a border of its patch, in pixels, is taken to be cut off by it.
EDGE_PX = 1.0


class Found(NamedTuple):
    """What was found in the patch on ``box``, in pixels of the raster."""

    box: Box
    detections: Detections


@dataclass(frozen=True)
class Placing:
    """Puts what was found in a patch of a lattice onto the grid of a raster of ``shape``."""

    lattice: Lattice
    shape: tuple[int, int]

    def __call__(self, box: Box, found: Detections) -> Detections:
        """Return it in pixels of the raster; what has its centre beyond the raster is left out."""
        moved = found.shifted(box.col0, box.row0)
        x, y = moved.centres.T
        height, width = self.shape
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        here = moved.taken(inside)
        return replace(here, cut=self._cut(box, here), core=self._core(box, here))

    def _cut(self, box: Box, found: Detections) -> NDArray[np.bool_]:
        """Return what touches a border of the patch that is none of the raster."""
        x0, y0, x1, y1 = found.bounds.T
        height, width = self.shape
        return np.asarray(
            ((box.row0 > 0) & (y0 < box.row0 + EDGE_PX))
            | ((box.col0 > 0) & (x0 < box.col0 + EDGE_PX))
            | ((box.row1 < height) & (y1 > box.row1 - EDGE_PX))
            | ((box.col1 < width) & (x1 > box.col1 - EDGE_PX))
        )

    def _core(self, box: Box, found: Detections) -> NDArray[np.bool_]:
        """Return what has its centre in the cell of the patch, which ends halfway through each overlap."""
        x, y = found.centres.T
        rows, cols = self._cells
        return np.asarray(rows.holds(box.row0, y) & cols.holds(box.col0, x))

    @cached_property
    def _cells(self) -> tuple[_Cells, _Cells]:
        return _Cells(self.lattice.rows), _Cells(self.lattice.cols)


@dataclass(frozen=True)
class _Cells:
    """The cells of patches along one axis: each place is in one of them."""

    axis: Axis

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.array([self.axis.anchor(number) for number in range(self.axis.count)], np.int64)

    def holds(self, start: int, places: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which places are in the cell of the patch that starts at a pixel."""
        borders = (self._starts[:-1] + self.axis.size + self._starts[1:]) / 2
        number = np.searchsorted(self._starts, start)
        return np.asarray(np.searchsorted(borders, places, side="right") == number)


@dataclass
class Finding(PatchCalls[Detections, Found]):
    """Calls a detector; what has a score below ``score`` is left out."""

    score: float = 0.0
    placing: Placing = field(kw_only=True, repr=False)

    def results(self, batch: Sequence[Cut], returned: object) -> Sequence[Detections]:
        """Return what was found in each patch, in its pixels.

        Raises
        ------
        OperatorError
            What the detector returned is of no known form; says what it is.

        """
        try:
            each = results_of(returned, len(batch) if self.batching.batched else None)
            return [detections_of(one, self.score) for one in each]
        except ValueError as error:
            which = f"{len(batch)} patches, the first at {batch[0].box}," if len(batch) > 1 else batch[0].box
            raise OperatorError(f"{self.name} returned for {which} of {self.source_name} {error}") from error

    def yielded(self, cut: Cut, present: Array | None, result: Detections) -> Found:
        """Return it in pixels of the raster."""
        _ = present
        return Found(cut.box, self.placing(cut.box, result))

    def kept(self, result: Detections) -> Detections:
        """Return it: it was copied when it was read."""
        return result

    def n_bytes(self, result: Detections) -> int:
        """Return the bytes of the outlines."""
        return result.points.nbytes
