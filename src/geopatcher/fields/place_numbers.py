"""What selects numbered places: made their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from geopatcher._optional import later
from geopatcher.core.area import own_copy
from geopatcher.core.places import FeatureSet, Geometric, PointSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import shapely
    from numpy.typing import NDArray
else:
    shapely = later("shapely")

#: Numbers, a slice or mask of them, or a shape that places share a point with.
PlaceIndexer: TypeAlias = "int | slice | Sequence[int] | NDArray[np.generic] | shapely.Geometry"


class Places(Protocol):
    """Places by number."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n,)``."""
        ...


def numbers_of(indexer: PlaceIndexer, domain: Places) -> NDArray[np.int64]:
    """Return the numbers of places that are selected.

    Raises
    ------
    IndexError
        There is no such place.
    TypeError
        It is nothing that selects places.

    Examples
    --------
    >>> numbers_of(slice(1, 9), np.empty(4)), numbers_of([True, False], np.empty(2))
    (array([1, 2, 3]), array([0]))

    """
    n = int(domain.shape[0])
    if isinstance(indexer, Geometric) and isinstance(indexer, shapely.Geometry):
        return _sharing(indexer, domain)
    if isinstance(indexer, slice):
        return np.arange(n, dtype=np.int64)[indexer]
    given = np.atleast_1d(np.asarray(indexer))
    if given.dtype.kind == "b":
        if given.shape != (n,):
            raise IndexError(f"a mask of {given.shape} says nothing of {n} places: give one value for each")
        return np.flatnonzero(given)
    if given.ndim != 1 or (given.dtype.kind not in "iu" and given.size):
        raise TypeError(
            f"places are selected by their numbers, a slice, a mask or a shapely geometry, not {indexer!r}"[
                :300
            ]
        )
    numbers = given.astype(np.int64)
    outside = numbers[(numbers < -n) | (numbers >= n)]
    if outside.size:
        raise IndexError(f"there is no place {outside[0]}: there are {n}, counted from 0")
    return np.where(numbers < 0, numbers + n, numbers)


def _sharing(shape: shapely.Geometry, domain: Places) -> NDArray[np.int64]:
    if isinstance(domain, FeatureSet):
        return domain.touching(shape)
    if isinstance(domain, PointSet):
        return np.flatnonzero(
            shapely.intersects_xy(own_copy(shape), domain.coords[:, 0], domain.coords[:, 1])
        )
    raise TypeError(f"{type(domain).__name__} does not say where its places are: select them by number")
