"""Which detections may be of one object: those of one class that overlap by more than a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher._optional import later

if TYPE_CHECKING:
    import shapely
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.features.detections import Detections
else:
    shapely = later("shapely")


class Pairs(NamedTuple):
    """Pairs of detections by their numbers, and the area both have, in square pixels."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    shared: NDArray[np.float64]


def pairs_of(found: Detections, since: int = 0) -> Pairs:
    """Return the pairs of one class that overlap, the second of them not before number ``since``.

    Each pair is there once, the lower number first.
    """
    boxes = np.asarray(shapely.box(*found.bounds.T), object)
    tree = shapely.STRtree(boxes)
    here, there = tree.query(boxes[since:])
    here = here + since
    ordered = (there < here) & (found.labels[here] == found.labels[there])
    first, second = there[ordered], here[ordered]
    shared = _shared(found, first, second)
    some = shared > 0
    return Pairs(first[some], second[some], shared[some])


def _shared(found: Detections, first: Array, second: Array) -> NDArray[np.float64]:
    if found.kind != "box":
        common = shapely.intersection(found.shapes[first], found.shapes[second])
        return np.asarray(shapely.area(common), np.float64)
    one, other = found.bounds[first], found.bounds[second]
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    return np.asarray(np.prod(np.maximum(sides, 0), axis=1))


@dataclass(frozen=True)
class Overlap:
    """When two detections are of one object: where their IoU is above ``iou``.

    Of a detection that a border of its patch has cut off, the IoU with the whole object may be small: there
    it counts how much of what is left of it lies in the other.
    """

    iou: float

    def of_one(self, found: Detections, pairs: Pairs) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return of pairs whether the second can be what the first is of, and the other way round."""
        one, other = found.areas[pairs.first], found.areas[pairs.second]
        alike = pairs.shared / (one + other - pairs.shared) > self.iou
        second = alike | (found.cut[pairs.second] & (pairs.shared / other > self.iou))
        first = alike | (found.cut[pairs.first] & (pairs.shared / one > self.iou))
        return second, first


def ranked(found: Detections) -> NDArray[np.intp]:
    """Return the numbers of detections from the best: whole before cut ones, then by score.

    What is left equal is told apart by class and place, so that the order follows from what was found, not
    from when.
    """
    x0, y0, x1, y1 = found.bounds.T
    cx, cy = found.centres.T
    return np.lexsort((cx, cy, x1, y1, x0, y0, found.labels, -found.scores, found.cut))
