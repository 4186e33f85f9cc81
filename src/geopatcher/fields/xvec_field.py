"""A vector data cube as a field: arrays with a dimension of geometries."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher._optional import later, load
from geopatcher.fields.place_numbers import PlaceIndexer, numbers_of
from geopatcher.fields.point_domain import PointDomain
from geopatcher.fields.vector_domain import VectorDomain

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import shapely
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
else:
    shapely = later("shapely")


class GeometryIndex(Protocol):
    """What is used of xvec's index."""

    @property
    def crs(self) -> object:
        """Of the geometries."""
        ...


class Accessor(Protocol):
    """What is used of xvec's accessor."""

    @property
    def geom_coords_indexed(self) -> Mapping[Hashable, object]:
        """Coordinates that are geometries, with an index."""
        ...


@runtime_checkable
class Cube(Protocol):
    """What is used of a Dataset or DataArray after xvec was imported."""

    @property
    def xvec(self) -> Accessor:
        """The accessor."""
        ...

    @property
    def xindexes(self) -> Mapping[Hashable, GeometryIndex]:
        """Indexes by coordinate."""
        ...

    @property
    def sizes(self) -> Mapping[Hashable, int]:
        """Lengths of dimensions."""
        ...

    def __getitem__(self, name: Hashable, /) -> object:
        """Return a coordinate."""
        ...

    def isel(self, indexers: Mapping[Hashable, NDArray[np.int64]]) -> Cube:
        """Return a part."""
        ...


@runtime_checkable
class OneArray(Cube, Protocol):
    """A DataArray."""

    @property
    def dims(self) -> tuple[Hashable, ...]:
        """Names of its dimensions."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Their lengths."""
        ...

    def copy(self, *, data: Array) -> OneArray:
        """Return the same coordinates with other values."""
        ...


class XvecField:
    """A Dataset or DataArray with a dimension of geometries, as xvec makes them: patches are parts of it.

    Its domain is a `PointDomain` where all geometries are points, else a `VectorDomain`. Needs xvec, the
    extra ``features``.

    Parameters
    ----------
    ds
        With one coordinate of geometries that xvec has indexed, by ``ds.xvec.set_geom_indexes(name)``.

    Attributes
    ----------
    ds
        The cube.

    Raises
    ------
    TypeError
        It is neither a Dataset nor a DataArray.
    ValueError
        There is no such coordinate, or several.
    MissingExtraError
        xvec is not installed.

    Examples
    --------
    >>> import shapely, xarray, xvec
    >>> places = shapely.points([[0, 0], [4, 2], [9, 9]])
    >>> rain = xarray.DataArray([1.0, 2.0, 3.0], {"place": places}, ["place"], name="rain")
    >>> field = XvecField(rain.xvec.set_geom_indexes("place", crs=4326))
    >>> field.domain, field.select([0, 2]).values
    (PointDomain(3 points, EPSG:4326), array([1., 3.]))

    """

    def __init__(self, ds: Cube) -> None:
        load("xvec")
        if not isinstance(ds, Cube):
            raise TypeError(f"an XvecField is made of a Dataset or DataArray, not {type(ds).__name__}")
        names = list(ds.xvec.geom_coords_indexed)
        if len(names) != 1:
            raise ValueError(
                f"there are {len(names)} coordinates of geometries with an index, and one is needed: make it "
                f"by ds.xvec.set_geom_indexes(name, crs=...)"
            )
        self.ds = ds
        self.dim = names[0]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{dim}: {n}" for dim, n in self.ds.sizes.items())
        return f"XvecField({sizes}; places along {self.dim!r})"

    @cached_property
    def domain(self) -> PointDomain | VectorDomain:
        """The geometries, in order: anchors are their numbers, counted from 0."""
        shapes = np.asarray(self.ds[self.dim], dtype=object)
        crs = self.ds.xindexes[self.dim].crs
        if (shapely.get_type_id(shapes) == shapely.GeometryType.POINT).all():
            return PointDomain(shapely.get_coordinates(shapes), crs=crs)
        return VectorDomain(shapes, crs=crs)

    def select(self, indexer: PlaceIndexer) -> Cube:
        """Return the part of some geometries, all else whole.

        Parameters
        ----------
        indexer
            Numbers of geometries, a slice of them, a mask ``(n,)``, or a shapely geometry: those that share a
            point with it.

        Returns
        -------
        xarray.Dataset or xarray.DataArray
            As the cube is.

        Raises
        ------
        IndexError
            There is no such geometry.

        """
        return self.ds.isel({self.dim: numbers_of(indexer, self.domain)})

    def with_data(self, array: Array | Cube) -> XvecField:
        """Return a field on the same geometries with other values.

        Parameters
        ----------
        array
            Of the shape of the DataArray, or ``(..., n)`` with one value for each geometry; or a Dataset or
            DataArray with as many of them.

        Returns
        -------
        XvecField
            On the same geometries.

        Raises
        ------
        ValueError
            There is not one value for each geometry.

        """
        if isinstance(array, Cube):
            return XvecField(array)
        values = np.asarray(array)
        if isinstance(self.ds, OneArray) and values.shape == tuple(self.ds.shape):
            return XvecField(self.ds.copy(data=values))
        n = self.domain.shape[0]
        if values.shape[-1:] != (n,) or values.ndim > 2:
            raise ValueError(
                f"an array of {values.shape} is not one value for each of {n:,} geometries, (n,) or "
                f"(bands, n)"
            )
        dims = ("band", self.dim)[-values.ndim :]
        labelled = load("xarray").DataArray(values, {self.dim: np.asarray(self.ds[self.dim])}, dims)
        return XvecField(labelled.xvec.set_geom_indexes(self.dim, crs=self.domain.crs))
