"""Neighbours of points: the nearest ones, and those within a distance."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from geopatcher.patching.nearby import known_metric, nearest, points_of, positive, within
from geopatcher.patching.neighborhoods import PlacedGeometry

if TYPE_CHECKING:
    from geopatcher.core.places import Anchor
    from geopatcher.core.protocols import HasShape
    from geopatcher.patching.nearby import Metric
    from geopatcher.patching.neighborhoods import Neighborhood


@dataclass(frozen=True)
class SpatialKNNGraph(PlacedGeometry):
    """The ``k`` points nearest to a point, itself among them and first; nearer ones come before farther.

    Over a `PointDomain`; anchors are numbers of points, and so are neighbourhoods: ``(k,)`` int64. Found in a
    KD-tree, which is built once for a domain.

    Parameters
    ----------
    k
        How many, the point itself counted; all of them where there are fewer.
    metric
        ``"euclidean"``, in units of the coordinates, or ``"haversine"``, along the sphere.

    Raises
    ------
    ValueError
        ``k`` is less than 1, or there is no such metric.

    Examples
    --------
    >>> from geopatcher import PointDomain
    >>> points = PointDomain([(0, 0), (0, 5), (0, 1), (9, 9)])
    >>> SpatialKNNGraph(k=3).neighborhood(points, 0)
    array([0, 2, 1])

    """

    k: SupportsIndex
    metric: Metric = "euclidean"

    def __post_init__(self) -> None:
        if index(self.k) < 1:
            raise ValueError(f"k is how many points a patch holds, at least 1, not {self.k!r}")
        object.__setattr__(self, "k", index(self.k))
        known_metric(self.metric)

    def find(self, domain: HasShape, anchor: Anchor) -> Neighborhood:
        """Return the points nearest to a point.

        Raises
        ------
        TypeError
            The domain is not one of points, or the anchor is no number.
        IndexError
            There is no such point.

        """
        return nearest(points_of(domain), anchor, index(self.k), self.metric)

    def extent(self, domain: HasShape) -> tuple[int, ...]:
        """Return ``(n,)``: how many points a patch holds."""
        return (min(index(self.k), len(points_of(domain).coords)),)


@dataclass(frozen=True)
class SpatialRadiusGraph(PlacedGeometry):
    """The points within a distance of a point, itself first; nearer ones come before farther.

    Over a `PointDomain`; anchors are numbers of points, and so are neighbourhoods: ``(n,)`` int64. Found in a
    KD-tree, which is built once for a domain.

    Parameters
    ----------
    radius
        Greatest distance, which counts as within: in units of the coordinates for ``"euclidean"``, in
        kilometres for ``"haversine"``.
    metric
        ``"euclidean"``, or ``"haversine"``, along a sphere of 6371.0088 km.

    Raises
    ------
    ValueError
        ``radius`` is not positive and finite, or there is no such metric.

    Examples
    --------
    >>> from geopatcher import PointDomain
    >>> points = PointDomain([(179.5, 0), (0, 0), (-179.5, 0)], crs="EPSG:4326")
    >>> SpatialRadiusGraph(120, metric="haversine").neighborhood(points, 0)
    array([0, 2])

    """

    radius: float
    metric: Metric = "euclidean"

    def __post_init__(self) -> None:
        known_metric(self.metric)
        unit = "kilometres" if self.metric == "haversine" else "units of the coordinates"
        object.__setattr__(self, "radius", positive(self.radius, "radius", unit))

    def find(self, domain: HasShape, anchor: Anchor) -> Neighborhood:
        """Return the points within the radius of a point.

        Raises
        ------
        TypeError
            The domain is not one of points, or the anchor is no number.
        IndexError
            There is no such point.

        """
        return within(points_of(domain), anchor, self.radius, self.metric)

    def extent(self, domain: HasShape) -> tuple[int, ...]:
        """Return ``(n,)``: how many points the largest patch holds; looks at all of them."""
        points = points_of(domain)
        counts = [self.find(domain, number).shape[0] for number in range(len(points.coords))]
        return (int(np.max(counts, initial=0)),)
