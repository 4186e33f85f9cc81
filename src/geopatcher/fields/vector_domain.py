"""Features as a domain: polygons, lines and points of a table."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from geopatcher._optional import later
from geopatcher.core.area import exact_wkt
from geopatcher.core.config import Configured, known_only
from geopatcher.core.domain_json import crs_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    import shapely
    from numpy.typing import NDArray
else:
    shapely = later("shapely")


class SpatialIndex(Protocol):
    """What finds features by place: ``gdf.sindex``, or a ``shapely.STRtree``."""

    def query(self, geometry: shapely.Geometry, predicate: str) -> NDArray[np.int64]:
        """Return the numbers of the features for which ``geometry.predicate(feature)`` holds."""
        ...


class VectorDomain(Configured):
    """Numbered features: a domain of parcels, rivers or boxes. Anchors are their numbers.

    Parameters
    ----------
    geometry
        A ``GeoSeries``, or any iterable of shapely geometries.
    sindex
        The spatial index over them: ``gdf.sindex`` or a ``shapely.STRtree``; by default one is built when it
        is asked for.
    crs
        Anything pyproj understands.

    Raises
    ------
    TypeError
        Something among them is no geometry.
    ValueError
        There is no feature.

    Examples
    --------
    >>> import shapely
    >>> domain = VectorDomain([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 7)], crs="EPSG:3035")
    >>> domain.shape, domain.bounds
    ((2,), (0.0, 0.0, 6.0, 7.0))
    >>> VectorDomain.from_config(domain.get_config()) == domain
    True

    """

    def __init__(
        self, geometry: Iterable[object], sindex: SpatialIndex | None = None, crs: object = None
    ) -> None:
        self.geometry = geometry
        self.crs = crs
        self.shapes: NDArray[np.object_] = np.array(list(geometry), dtype=object)
        if not len(self.shapes):
            raise ValueError("there are no features: a VectorDomain has at least one")
        wrong = np.flatnonzero(~(shapely.is_geometry(self.shapes) | shapely.is_missing(self.shapes)))
        if wrong.size:
            raise TypeError(f"feature {wrong[0]} is no geometry: {self.shapes[wrong[0]]!r}"[:200])
        self._given = sindex

    def get_config(self) -> dict[str, object]:
        """Return ``"geometry"`` as WKT, ``None`` for those that are missing, and ``"crs"``.

        Returns
        -------
        dict
            What `from_config` takes; the spatial index follows from the geometries.

        """
        return {"geometry": exact_wkt(self.shapes), "crs": crs_to_json(self.crs)}

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Make features of what `get_config` gave.

        Parameters
        ----------
        config
            ``"geometry"``, and perhaps ``"crs"``.

        Returns
        -------
        Self
            Equal to what the configuration was asked of.

        Raises
        ------
        TypeError
            There is no such parameter, or ``"geometry"`` is no list of WKT.
        ValueError
            A text is no WKT.

        """
        given = known_only(cls, config, ("geometry", "crs"))
        told = given.get("geometry")
        if not isinstance(told, list | tuple) or not all(isinstance(wkt, str | None) for wkt in told):
            raise TypeError(f"the configuration of a {cls.__name__} has geometry, a list of WKT")
        try:
            shapes = shapely.from_wkt(np.array(told, dtype=object))
        except shapely.errors.ShapelyError as error:
            raise ValueError(f"a geometry of the configuration is no WKT: {error}") from error
        return cls(shapes, crs=given.get("crs"))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VectorDomain):
            return NotImplemented
        if self.shape != other.shape or not bool(self.crs == other.crs):
            return False
        both = shapely.is_missing(self.shapes) & shapely.is_missing(other.shapes)
        return bool((both | shapely.equals_identical(self.shapes, other.shapes)).all())

    def __hash__(self) -> int:
        return hash(self.shape)

    def __repr__(self) -> str:
        return f"VectorDomain({len(self.shapes):,} features{'' if self.crs is None else f', {self.crs}'})"

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def shape(self) -> tuple[int]:
        """``(n,)``."""
        return (len(self.shapes),)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """``(left, bottom, right, top)`` of all features."""
        left, bottom, right, top = shapely.total_bounds(self.shapes)
        return (float(left), float(bottom), float(right), float(top))

    @cached_property
    def sindex(self) -> SpatialIndex:
        """The spatial index: the one given, or an STR-tree."""
        return cast("SpatialIndex", shapely.STRtree(self.shapes)) if self._given is None else self._given

    def touching(self, shape: shapely.Geometry) -> NDArray[np.int64]:
        """Return the numbers of the features that share a point with a shape, in order.

        Parameters
        ----------
        shape
            In the CRS of the features.

        Returns
        -------
        numpy.ndarray
            ``(n,)`` int64.

        """
        return np.sort(np.asarray(self.sindex.query(shape, predicate="intersects"), dtype=np.int64))
