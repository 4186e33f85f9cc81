"""Rows, columns, bands and georeference of an `xarray.DataArray`, without importing xarray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np
from affine import Affine

from geopatcher._optional import load
from geopatcher.domain import RasterDomain
from geopatcher.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from geopatcher.protocols import Array

#: Names of dimensions that are known to be rows and columns.
ROWS = ("y", "lat", "latitude", "northing", "row", "rows")
COLS = ("x", "lon", "longitude", "easting", "col", "cols", "column")
#: Evenly spaced means: no coordinate is further than this from its place, in pixels.
EVEN_PX = 0.05
#: A stored transform is kept where it meets the coordinates this closely, in pixels.
SAME_PX = 1e-3

Indexers: TypeAlias = "Mapping[Hashable, slice | int]"


@runtime_checkable
class LabelledArray(Protocol):
    """What is used of an `xarray.DataArray` (its values apart, which reading would load)."""

    @property
    def dims(self) -> tuple[Hashable, ...]:
        """Names of the dimensions, in order."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Their lengths."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        ...

    @property
    def coords(self) -> Mapping[Hashable, LabelledArray]:
        """Coordinates by name."""
        ...

    @property
    def attrs(self) -> Mapping[Hashable, object]:
        """Attributes."""
        ...

    @property
    def encoding(self) -> Mapping[Hashable, object]:
        """How it was stored."""
        ...

    def isel(self, indexers: Indexers) -> LabelledArray:
        """Return a part, lazily."""
        ...

    def transpose(self, *dims: Hashable) -> LabelledArray:
        """Return it with its dimensions in another order, lazily."""
        ...

    def copy(self) -> LabelledArray:
        """Return an independent copy; lazy data stays lazy."""
        ...


class Rio(Protocol):
    """What is used of rioxarray's accessor."""

    @property
    def crs(self) -> object:
        """Coordinate reference system or ``None``."""
        ...

    @property
    def nodata(self) -> float | int | None:
        """Value of missing cells."""
        ...

    def transform(self) -> Affine:
        """Pixel corner to CRS coordinates, as stored."""
        ...

    def set_spatial_dims(self, x_dim: Hashable, y_dim: Hashable) -> HasRio:
        """Say which dimensions are columns and rows."""
        ...

    def write_crs(self, crs: str) -> HasRio:
        """Return it with a CRS."""
        ...

    def write_transform(self, transform: Affine) -> HasRio:
        """Return it with a transform."""
        ...


@runtime_checkable
class HasRio(Protocol):
    """A `DataArray` after rioxarray was imported."""

    @property
    def rio(self) -> Rio:
        """The accessor."""
        ...


@dataclass(frozen=True)
class Grid:
    """Which dimension is which, and where the raster lies."""

    rows: Hashable
    cols: Hashable
    bands: Hashable | None
    domain: RasterDomain

    @property
    def dims(self) -> tuple[Hashable, ...]:
        """The dimensions in the order of a raster: ``(bands, rows, cols)`` or ``(rows, cols)``."""
        return (self.rows, self.cols) if self.bands is None else (self.bands, self.rows, self.cols)

    def indexers(self, rows: slice, cols: slice) -> dict[Hashable, slice | int]:
        """Return what `isel` takes."""
        return {self.rows: rows, self.cols: cols}


def grid_of(array: LabelledArray) -> tuple[LabelledArray, Grid]:
    """Return an array without its dimensions of length one, and the grid of the rest.

    Raises
    ------
    ValueError
        There are more dimensions than rows, columns and bands, or the coordinates are uneven.

    """
    rows, cols = _spatial_dims(array)
    others = [dim for dim in array.dims if dim not in (rows, cols)]
    lengths = dict(zip(array.dims, array.shape, strict=True))
    while len(others) > 1:
        single = next((dim for dim in others if lengths[dim] == 1), None)
        if single is None:
            raise ValueError(
                f"a field has rows, columns and bands; this array has the dimensions {array.dims} of "
                f"{array.shape}: select one of the others first, for example .isel({others[0]}=0)"
            )
        array = array.isel({single: 0})
        others.remove(single)
    bands = others[0] if others else None
    shape = (
        (lengths[rows], lengths[cols]) if bands is None else tuple(lengths[d] for d in (bands, rows, cols))
    )
    rio = _rio(array, rows, cols)
    mapping = _grid_mapping(array)
    domain = RasterDomain(
        shape=shape,
        transform=_transform(array, rows, cols, rio, mapping),
        crs=_crs(rio, mapping),
        nodata=_nodata(array, rio),
        dtype=np.dtype(array.dtype).newbyteorder("="),
        band_names=_band_names(array, bands, 1 if bands is None else lengths[bands]),
        units=_units(array, 1 if bands is None else lengths[bands]),
    )
    return array, Grid(rows, cols, bands, domain)


def _spatial_dims(array: LabelledArray) -> tuple[Hashable, Hashable]:
    """Return the dimensions of rows and columns: by name, by CF attributes, else the last two."""
    if len(array.dims) < 2:
        raise ValueError(f"an array with the dimensions {array.dims} has no rows and columns")
    rows = _named(array, ROWS, "Y", ("projection_y_coordinate", "latitude"))
    cols = _named(array, COLS, "X", ("projection_x_coordinate", "longitude"))
    if rows is None or cols is None or rows == cols:
        return array.dims[-2], array.dims[-1]
    return rows, cols


def _named(
    array: LabelledArray, names: tuple[str, ...], axis: str, standard: tuple[str, ...]
) -> Hashable | None:
    for dim in array.dims:
        attributes = array.coords[dim].attrs if dim in array.coords else {}
        if attributes.get("axis") == axis or attributes.get("standard_name") in standard:
            return dim
    return next((dim for dim in array.dims if str(dim).lower() in names), None)


def _rio(array: LabelledArray, rows: Hashable, cols: Hashable) -> Rio | None:
    """Return rioxarray's accessor, ``None`` when it is not installed."""
    try:
        load("rioxarray")
    except MissingExtraError:
        return None
    if not isinstance(array, HasRio):
        return None
    return array.rio.set_spatial_dims(x_dim=cols, y_dim=rows).rio


def _grid_mapping(array: LabelledArray) -> Mapping[Hashable, object]:
    name = array.attrs.get("grid_mapping", array.encoding.get("grid_mapping", "spatial_ref"))
    return array.coords[name].attrs if isinstance(name, str) and name in array.coords else {}


def _crs(rio: Rio | None, mapping: Mapping[Hashable, object]) -> str | None:
    if rio is not None:
        return None if rio.crs is None else str(rio.crs)
    for key in ("crs_wkt", "spatial_ref"):
        text = mapping.get(key)
        if isinstance(text, str):
            return text
    return None


def _nodata(array: LabelledArray, rio: Rio | None) -> float | int | None:
    if rio is not None:
        value: object = rio.nodata
    else:
        value = array.attrs.get("_FillValue", array.attrs.get("nodata"))
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, int | float) else None


def _transform(
    array: LabelledArray,
    rows: Hashable,
    cols: Hashable,
    rio: Rio | None,
    mapping: Mapping[Hashable, object],
) -> Affine:
    """Return the transform of the coordinates, exactly as stored where the two agree.

    The stored one alone may be that of a larger array this one was cut from.
    """
    stored = _stored(rio, mapping)
    xs, ys = _positions(array, cols), _positions(array, rows)
    if xs is None or ys is None or stored.b != 0 or stored.d != 0:
        return stored
    a, c = _line(xs, cols, stored.a, stored.c)
    e, f = _line(ys, rows, stored.e, stored.f)
    return Affine(a, 0.0, c, 0.0, e, f)


def _stored(rio: Rio | None, mapping: Mapping[Hashable, object]) -> Affine:
    text = mapping.get("GeoTransform")
    if isinstance(text, str):
        c, a, b, f, d, e = map(float, text.split())
        return Affine(a, b, c, d, e, f)
    return Affine.identity() if rio is None else rio.transform()


def _positions(array: LabelledArray, dim: Hashable) -> Array | None:
    if dim not in array.coords:
        return None
    coordinate = np.asarray(array.coords[dim])
    return coordinate.astype(float) if coordinate.dtype.kind in "iuf" and coordinate.ndim == 1 else None


def _line(centres: Array, dim: Hashable, stored_step: float, stored_start: float) -> tuple[float, float]:
    """Return step and start (the corner of the first pixel) of evenly spaced centres."""
    index = np.arange(len(centres)) + 0.5
    if np.abs(stored_start + stored_step * index - centres).max() <= SAME_PX * abs(stored_step):
        return stored_step, stored_start
    step = float((centres[-1] - centres[0]) / (len(centres) - 1)) if len(centres) > 1 else stored_step
    start = float(centres[0]) - step / 2
    off = np.abs(start + step * index - centres).max()
    if step == 0 or off > EVEN_PX * abs(step):
        raise ValueError(
            f"the coordinate {dim!r} is not evenly spaced: one of its {len(centres)} values is "
            f"{off:g} away from a grid of {step:g}; resample to a regular grid, or drop the coordinate"
        )
    return step, start


def _band_names(array: LabelledArray, bands: Hashable | None, count: int) -> tuple[str, ...]:
    if bands is not None and bands in array.coords:
        labels = np.asarray(array.coords[bands])
        if labels.dtype.kind in "UO":
            return tuple(map(str, labels.tolist()))
    names = array.attrs.get("long_name")
    if isinstance(names, list | tuple) and len(names) == count:
        return tuple(map(str, names))
    return tuple(f"b{band + 1}" for band in range(count))


def _units(array: LabelledArray, count: int) -> tuple[str, ...]:
    units = array.attrs.get("units")
    return (units,) * count if isinstance(units, str) else ()
