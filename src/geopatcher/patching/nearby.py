"""Points near a point: by number, by distance on the plane or along the sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from geopatcher.core.places import PointSet
from geopatcher.core.sphere import chord_of_km, km_of_chord
from geopatcher.patching.neighborhoods import Neighborhood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.places import Anchor, Tree
    from geopatcher.core.protocols import HasShape

Metric: TypeAlias = Literal["euclidean", "haversine"]
METRICS = ("euclidean", "haversine")
#: How much farther than a radius is looked, so that rounding leaves out no point that lies at it.
SLACK = 1.0 + 1e-9


def positive(value: float, name: str, unit: str) -> float:
    """Return a positive, finite number as a float, or say that it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not 0.0 < number < np.inf:
        raise ValueError(f"{name} is a number of {unit}, positive and finite, not {value!r}")
    return number


def known_metric(metric: str) -> str:
    """Return a metric there is, or say which there are."""
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r} is none of {', '.join(METRICS)}")
    return metric


def points_of(domain: HasShape) -> PointSet:
    """Return a domain of points.

    Raises
    ------
    TypeError
        It is of another kind.

    """
    if not isinstance(domain, PointSet):
        raise TypeError(
            f"neighbours are those of points, and {type(domain).__name__} has none: take a PointDomain, or a "
            f"GeoPandasField(gdf, as_points=True)"
        )
    return domain


def number_of(domain: PointSet, anchor: Anchor) -> int:
    """Return the number of a point.

    Raises
    ------
    TypeError
        It is no number.
    IndexError
        There is no such point.

    """
    if not isinstance(anchor, int | np.integer):
        raise TypeError(f"the anchor of a patch of points is the number of a point, not {anchor!r}")
    n = len(domain.coords)
    if not 0 <= anchor < n:
        raise IndexError(f"there is no point {anchor}: the domain has {n}, counted from 0")
    return int(anchor)


def nearest(domain: PointSet, anchor: Anchor, k: int, metric: str) -> Neighborhood:
    """Return the ``k`` points nearest to a point, itself first."""
    number = number_of(domain, anchor)
    tree, places = _tree(domain, metric)
    found, numbers = tree.query(places[number], min(k, len(places)))
    return _ordered(number, np.atleast_1d(numbers), np.atleast_1d(found), metric, None)


def within(domain: PointSet, anchor: Anchor, radius: float, metric: str) -> Neighborhood:
    """Return the points within units of the coordinates, or kilometres, of a point, itself first."""
    number = number_of(domain, anchor)
    tree, places = _tree(domain, metric)
    reach = (radius if metric == "euclidean" else chord_of_km(radius)) * SLACK
    numbers = np.asarray(tree.query_ball_point(places[number], reach), dtype=np.int64)
    found = np.sqrt(np.square(places[numbers] - places[number]).sum(axis=1))
    return _ordered(number, numbers, found, metric, radius)


def within_km(domain: PointSet, anchor: Anchor, radius_km: float) -> Neighborhood:
    """Return the points within kilometres along the sphere."""
    return within(domain, anchor, radius_km, "haversine")


def _tree(domain: PointSet, metric: str) -> tuple[Tree, NDArray[np.float64]]:
    if metric == "haversine":
        return domain.sphere_tree, domain.vectors
    return domain.plane_tree, domain.coords


def _ordered(
    number: int, numbers: NDArray[np.int64], found: NDArray[np.float64], metric: str, radius: float | None
) -> Neighborhood:
    """Put points in order of distance, and of numbers where that is the same; the anchor comes first."""
    numbers = numbers.astype(np.int64)
    if number not in numbers:  # as many others lie on the same spot
        numbers[-1], found[-1] = number, 0.0
    order = np.lexsort((numbers, found, numbers != number))
    numbers = numbers[order]
    length = km_of_chord(found[order]) if metric == "haversine" else found[order]
    reach = radius or float(length.max(initial=0.0)) or 1.0
    return Neighborhood(numbers, numbers.shape, None, np.minimum(length / reach, 1.0))
