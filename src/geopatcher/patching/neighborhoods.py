"""Neighbourhoods that are no rectangles of one size: which cells, points or features a patch holds."""

from __future__ import annotations

from abc import abstractmethod
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import numpy as np

from geopatcher.patching.geometry import SpatialGeometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.places import Anchor
    from geopatcher.core.protocols import HasShape, RectGeometry

#: Least weight of a member: one at the very border of a neighbourhood keeps its value.
LEAST_WEIGHT = 1e-4


@dataclass(frozen=True, eq=False)
class Neighborhood:
    """What a geometry found at an anchor.

    ``indices`` is what selects it from a field. ``shape`` is that of the patch, ``(h, w)`` or ``(k,)``.
    ``inside`` says which cells of it belong, ``None`` for all. ``distance`` is that from the anchor, 1 at the
    border; ``None`` where nothing is meant by it.
    """

    indices: object
    shape: tuple[int, ...]
    inside: NDArray[np.bool_] | None = None
    distance: NDArray[np.float64] | None = None


class PlacedGeometry(SpatialGeometry[object]):
    """A geometry whose neighbourhoods differ from place to place."""

    #: Whether anchors are numbers of the geometry's own, such as those of polygons: then how many there are.
    n_places: int | None = None

    @abstractmethod
    def find(self, domain: HasShape, anchor: Anchor) -> Neighborhood:
        """Return what belongs to the patch at an anchor, and how it lies around it.

        Parameters
        ----------
        domain
            A `geopatcher.RasterDomain`, `geopatcher.GridDomain`, `geopatcher.PointDomain` or
            `geopatcher.VectorDomain`: the class says which of them.
        anchor
            ``(row, col)``, ``{dim: index}``, or a number.

        Returns
        -------
        Neighborhood
            Indices, shape, members and distances.

        """

    def neighborhood(self, domain: HasShape, anchor: Anchor) -> object:
        """Return what selects the patch at an anchor from a field: the ``indices`` of `find`."""
        return self.find(domain, anchor).indices


@runtime_checkable
class Falloff(Protocol):
    """A window that knows its weight at a distance from the centre."""

    def falloff(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return weights for distances, 0 at the centre and 1 at the border."""
        ...


class Weighing(Protocol):
    """A window."""

    def weights(self, geometry: RectGeometry) -> NDArray[np.floating]:
        """Return weights shaped like a patch."""
        ...


def with_size(geometry: object, size: tuple[int, int]) -> RectGeometry:
    """Return a copy of a geometry that says the size of one of its patches, as windows ask for it.

    >>> from geopatcher import SpatialKNNGraph
    >>> sized = with_size(SpatialKNNGraph(3), (1, 3))
    >>> sized, sized.size
    (SpatialKNNGraph(k=3, metric='euclidean'), (1, 3))
    """
    one = copy(geometry)
    vars(one).update(size=size, boundary="shrink", pad_value=None)
    return cast("RectGeometry", one)


def weights_of(window: Weighing, found: Neighborhood, geometry: object) -> NDArray[np.float64]:
    """Return the weights of a patch: by distance where the window and the neighbourhood know it.

    Else they are those the window gives for the geometry, told the size of the rectangle around the patch.
    They are 0 outside the neighbourhood, and positive in it where the window is.
    """
    shape = found.shape
    if found.distance is not None and isinstance(window, Falloff):
        weights = np.maximum(window.falloff(found.distance), LEAST_WEIGHT)
    else:
        size = (shape[0], shape[1]) if len(shape) == 2 else (1, shape[0])
        given = np.array(window.weights(with_size(geometry, size)), dtype=np.float64)
        if given.size != size[0] * size[1]:
            raise ValueError(
                f"{window!r} gave weights shaped {given.shape} for {geometry!r}, whose patch is "
                f"shaped {shape}"
            )
        weights = given.reshape(shape)
    return weights if found.inside is None else np.where(found.inside, weights, 0.0)
