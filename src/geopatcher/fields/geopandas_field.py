"""A table of features as a field."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher._optional import later, load
from geopatcher.fields.place_numbers import PlaceIndexer, numbers_of
from geopatcher.fields.point_domain import PointDomain
from geopatcher.fields.vector_domain import VectorDomain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import shapely
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.fields.vector_domain import SpatialIndex
else:
    shapely = later("shapely")


class Rows(Protocol):
    """What picks rows of a table by number."""

    def __getitem__(self, numbers: NDArray[np.int64], /) -> Table:
        """Return these rows."""
        ...


@runtime_checkable
class Table(Protocol):
    """What is used of a ``geopandas.GeoDataFrame``."""

    @property
    def geometry(self) -> Iterable[shapely.Geometry]:
        """The column of geometries."""
        ...

    @property
    def sindex(self) -> SpatialIndex:
        """The spatial index over it."""
        ...

    @property
    def crs(self) -> object:
        """Of the geometries."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns."""
        ...

    @property
    def iloc(self) -> Rows:
        """Rows by number."""
        ...

    def __len__(self) -> int: ...


class GeoPandasField:
    """A ``GeoDataFrame`` as a field: patches are tables of some of its rows.

    Its domain is a `VectorDomain`, or a `PointDomain` with ``as_points=True``, over which `SpatialKNNGraph`
    and `SpatialRadiusGraph` find neighbours. Needs geopandas, the extra ``features``.

    Parameters
    ----------
    gdf
        A ``GeoDataFrame``, or a ``GeoSeries``.
    as_points
        Whether each feature is a point: itself, or its centroid.

    Attributes
    ----------
    gdf
        The table.

    Raises
    ------
    TypeError
        It is no table of geopandas.
    MissingExtraError
        geopandas is not installed.

    Examples
    --------
    >>> import geopandas, shapely
    >>> gdf = geopandas.GeoDataFrame({"height": [3.0, 5.0]}, geometry=shapely.points([[0, 0], [4, 2]]))
    >>> field = GeoPandasField(gdf, as_points=True)
    >>> field.domain.bounds, field.select([1])["height"].tolist()
    ((0.0, 0.0, 4.0, 2.0), [5.0])

    """

    def __init__(self, gdf: Table, as_points: bool = False) -> None:
        geopandas = load("geopandas")
        if isinstance(gdf, geopandas.GeoSeries):
            gdf = geopandas.GeoDataFrame(geometry=gdf)
        if not isinstance(gdf, geopandas.GeoDataFrame):
            raise TypeError(f"a GeoPandasField is made of a GeoDataFrame, not {type(gdf).__name__}")
        self.gdf: Table = gdf
        self.as_points = as_points

    def __repr__(self) -> str:
        names = ", ".join(str(name) for name in self.gdf.columns)
        kind = "points" if self.as_points else "features"
        return f"GeoPandasField({len(self.gdf):,} {kind}: {names})"

    @cached_property
    def domain(self) -> PointDomain | VectorDomain:
        """The places of the rows, in their order: anchors are numbers of rows, counted from 0."""
        if not self.as_points:
            return VectorDomain(self.gdf.geometry, self.gdf.sindex, self.gdf.crs)
        centres = shapely.centroid(np.array(list(self.gdf.geometry), dtype=object))
        return PointDomain(
            np.stack([shapely.get_x(centres), shapely.get_y(centres)], axis=1), crs=self.gdf.crs
        )

    def select(self, indexer: PlaceIndexer) -> Table:
        """Return some rows, as a ``GeoDataFrame``.

        Parameters
        ----------
        indexer
            Numbers of rows, a slice of them, a mask ``(n,)``, or a shapely geometry: rows that share a point
            with it.

        Returns
        -------
        geopandas.GeoDataFrame
            With all columns.

        Raises
        ------
        IndexError
            There is no such row.

        """
        return self.gdf.iloc[numbers_of(indexer, self.domain)]

    def with_data(self, array: Array | Table) -> GeoPandasField:
        """Return a field on the same features with other values.

        Parameters
        ----------
        array
            ``(n,)``, which becomes the column ``value``, ``(bands, n)``, which become ``b1``, ``b2`` ..., or
            a table with as many rows.

        Returns
        -------
        GeoPandasField
            Of the same features.

        Raises
        ------
        ValueError
            There is not one value for each feature.

        """
        geopandas = load("geopandas")
        n = len(self.gdf)
        if isinstance(array, Table):
            if len(array) != n:
                raise ValueError(f"a table of {len(array):,} rows has none for each of the {n:,} features")
            return GeoPandasField(array, self.as_points)
        values = np.asarray(array)
        if values.ndim not in (1, 2) or values.shape[-1] != n:
            raise ValueError(
                f"an array of {values.shape} is not one value for each of the {n:,} features, "
                f"(n,) or (bands, n)"
            )
        named = {"value": values} if values.ndim == 1 else {f"b{n + 1}": row for n, row in enumerate(values)}
        return GeoPandasField(geopandas.GeoDataFrame(named, geometry=self.gdf.geometry), self.as_points)
