"""What geometries ask of domains that are no rasters: grids by name, points, features."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from shapely import Geometry

#: Where a patch sits: ``(row, col)`` on rasters, ``{dim: index}`` on named grids, a number of a point,
#: feature or polygon.
Anchor: TypeAlias = "tuple[int, int] | Mapping[Hashable, int] | int"


@runtime_checkable
class Domain(Protocol):
    """What a field covers: every domain says its bounds and its CRS.

    Examples
    --------
    >>> import geopatcher
    >>> raster = geopatcher.RasterDomain((3, 40, 50), crs="EPSG:32633")
    >>> isinstance(raster, geopatcher.Domain), raster.bounds
    (True, (0.0, 40.0, 50.0, 0.0))

    """

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """``(left, bottom, right, top)`` in units of the CRS."""
        ...

    @property
    def crs(self) -> object:
        """What pyproj takes for a CRS, or ``None``."""
        ...


@runtime_checkable
class Geometric(Protocol):
    """What shows itself as GeoJSON: geometries of shapely and other libraries, and tables of them."""

    @property
    def __geo_interface__(self) -> Mapping[str, object]:
        """A geometry, a feature or a collection of them."""
        ...


@runtime_checkable
class NamedGrid(Protocol):
    """A grid whose dimensions have names, such as a `geopatcher.GridDomain`."""

    @property
    def coords(self) -> Mapping[Hashable, NDArray[np.generic]]:
        """Coordinates by dimension."""
        ...

    @property
    def dims(self) -> tuple[Hashable, ...]:
        """Names, in order."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths, in order."""
        ...

    @property
    def rows(self) -> Hashable:
        """The dimension of rows."""
        ...

    @property
    def cols(self) -> Hashable:
        """The dimension of columns."""
        ...

    @property
    def in_degrees(self) -> bool:
        """Whether names say that coordinates are longitudes and latitudes."""
        ...

    @property
    def crs(self) -> object:
        """What pyproj takes for a CRS, or ``None``."""
        ...


class Tree(Protocol):
    """A KD-tree, as that of scipy."""

    def query(self, x: NDArray[np.float64], k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return distances and numbers of the ``k`` nearest points."""
        ...

    def query_ball_point(self, x: NDArray[np.float64], r: float) -> Sequence[int]:
        """Return the numbers of the points within ``r``."""
        ...


@runtime_checkable
class PointSet(Protocol):
    """Numbered points, such as a `geopatcher.PointDomain`."""

    @property
    def coords(self) -> NDArray[np.float64]:
        """``(n, 2)``: x, y."""
        ...

    @property
    def vectors(self) -> NDArray[np.float64]:
        """``(n, 3)``: the same on the unit sphere."""
        ...

    @property
    def plane_tree(self) -> Tree:
        """Over ``coords``."""
        ...

    @property
    def sphere_tree(self) -> Tree:
        """Over ``vectors``."""
        ...


@runtime_checkable
class FeatureSet(Protocol):
    """Numbered features, such as a `geopatcher.VectorDomain`."""

    @property
    def shapes(self) -> NDArray[np.object_]:
        """``(n,)`` shapely geometries."""
        ...

    @property
    def crs(self) -> object:
        """What pyproj takes for a CRS, or ``None``."""
        ...

    def touching(self, shape: Geometry) -> NDArray[np.int64]:
        """Return the numbers of the features that share a point with a shape, in order."""
        ...


def cell_at(anchor: object) -> tuple[int, int]:
    """Return row and column of an anchor on a raster.

    >>> cell_at([2, 1])
    (2, 1)

    Raises
    ------
    TypeError
        It is no pair of whole numbers.

    """
    try:
        row, col = map(index, anchor if isinstance(anchor, Iterable) else ())
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"an anchor is (row, col) in whole pixels, not {anchor!r}; places on the ground are those of "
            f"SpatialExplicitCoords"
        ) from error
    return row, col
