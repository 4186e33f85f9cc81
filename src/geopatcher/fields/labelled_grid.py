"""Rows, columns, bands and georeference of an array with named dimensions, whatever keeps it.

One reading for a `xarray.DataArray` and for an array of a zarr store, without importing xarray.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from geopatcher._optional import load
from geopatcher.core.domain import RasterDomain
from geopatcher.core.grid_domain import COLS, ROWS
from geopatcher.core.metadata import Ground
from geopatcher.errors import MissingExtraError
from geopatcher.fields.georeference import crs_of, missing_of, transform_of
from geopatcher.fields.labelled import HasRio
from geopatcher.fields.labels import names_of, units_of
from geopatcher.fields.spacing import affine_of, along, centres_of, values_along
from geopatcher.formats.attributes import ground_of, metadata_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from geopatcher.fields.georeference import Attributes
    from geopatcher.fields.labelled import Labels, Rio

#: What CF calls them (sections 4.1, 4.2 and 5.6).
NORTHING = ("projection_y_coordinate", "latitude", "grid_latitude")
EASTING = ("projection_x_coordinate", "longitude", "grid_longitude")
#: Most bands that are read: what is made for each would otherwise be as large as a header says.
MAX_BANDS = 2**20


@dataclass(frozen=True)
class Grid:
    """Which dimension is which, and where the raster lies; ``single`` are of length one, and left out."""

    rows: Hashable
    cols: Hashable
    bands: Hashable | None
    domain: RasterDomain
    single: tuple[Hashable, ...] = ()

    @property
    def dims(self) -> tuple[Hashable, ...]:
        """The dimensions in the order of a raster: ``(bands, rows, cols)`` or ``(rows, cols)``."""
        return (self.rows, self.cols) if self.bands is None else (self.bands, self.rows, self.cols)

    def indexers(self, rows: slice, cols: slice) -> dict[Hashable, slice | int]:
        """Return what `isel` takes."""
        return {self.rows: rows, self.cols: cols}


def grid_of(array: Labels) -> Grid:
    """Return the grid of an array: its rows, columns and bands, and where they lie.

    Raises
    ------
    ValueError
        There are more dimensions than rows, columns and bands, the coordinates are uneven, or what is
        said of the place makes no sense.
    TypeError
        The cells are no numbers.

    """
    dtype = np.dtype(array.dtype)
    if dtype.kind not in "biufc":
        raise TypeError(f"a raster holds numbers, and this array holds {dtype} values")
    if len(set(array.dims)) < len(array.dims):
        raise ValueError(f"two dimensions have the same name: {array.dims}")
    rows, cols = _spatial_dims(array)
    lengths = dict(zip(array.dims, array.shape, strict=True))
    others = [dim for dim in array.dims if dim not in (rows, cols)]
    single = [dim for dim in others if lengths[dim] == 1]
    if len(others) == len(single) and single:
        single = single[:-1]  # the last one counts as a band
    others = [dim for dim in others if dim not in single]
    if len(others) > 1:
        raise ValueError(
            f"a field has rows, columns and bands; this array has the dimensions {array.dims} of "
            f"{array.shape}: select one of the others first, for example .isel({others[0]}=0)"
        )
    bands = others[0] if others else None
    dims = (rows, cols) if bands is None else (bands, rows, cols)
    shape = tuple(int(lengths[dim]) for dim in dims)
    if min(shape) < 1:
        raise ValueError(f"the array has no pixels: its dimensions {array.dims} are {array.shape} long")
    if len(shape) == 3 and shape[0] > MAX_BANDS:
        raise ValueError(
            f"the array has {shape[0]:,} bands along {bands!r}, and more than {MAX_BANDS:,} are not read: "
            f"select some of them first"
        )
    return Grid(rows, cols, bands, _domain(array, shape, rows, cols, bands), tuple(single))


def _domain(
    array: Labels, shape: tuple[int, ...], rows: Hashable, cols: Hashable, bands: Hashable | None
) -> RasterDomain:
    count = shape[0] if len(shape) == 3 else 1
    rio, mapping = _rio(array), _grid_mapping(array)
    crs = crs_of(mapping, array.attrs) or (None if rio is None or rio.crs is None else str(rio.crs))
    transform = _transform(array, rows, cols, mapping)
    ground = ground_of(mapping, crs)
    if transform != Affine.identity():
        ground = Ground(rpcs=ground.rpcs)
    elif _is_curved(array, rows, cols):
        ground = replace(ground, arrays=True)
    labels = None if bands is None or bands not in array.coords else array.coords[bands]
    return RasterDomain(
        shape=shape,
        transform=transform,
        crs=None if ground.points else crs,  # then it is that of the points
        nodata=_nodata(array, rio),
        dtype=np.dtype(array.dtype).newbyteorder("="),
        band_names=names_of(
            None if labels is None else values_along(array, bands, bands),
            {} if labels is None else labels.attrs,
            array.attrs,
            count,
        ),
        units=units_of(array.attrs, count),
        metadata=metadata_of(array.attrs, count, ground),
    )


def _spatial_dims(array: Labels) -> tuple[Hashable, Hashable]:
    """Return the dimensions of rows and columns: as the attributes say, by name, else the last two."""
    dims = array.dims
    if len(dims) < 2:
        raise ValueError(f"an array with the dimensions {dims} has no rows and columns")
    said = array.attrs.get("spatial:dimensions")
    if isinstance(said, list | tuple) and len(said) == 2 and set(said) <= set(dims) and said[0] != said[1]:
        return said[0], said[1]
    rows = _named(array, ROWS, "Y", NORTHING, "degrees_north")
    cols = _named(array, COLS, "X", EASTING, "degrees_east")
    if rows == cols:
        return dims[-2], dims[-1]
    # What is known decides; of the others it is the last.
    rows = next(dim for dim in reversed(dims) if dim != cols) if rows is None else rows
    cols = next(dim for dim in reversed(dims) if dim != rows) if cols is None else cols
    return rows, cols


def _named(
    array: Labels, names: Sequence[str], axis: str, standard: Sequence[str], units: str
) -> Hashable | None:
    """Return the dimension whose coordinate has these attributes, or else one of these names."""
    for dim in array.dims:
        for _, said in along(array, dim):
            text = {key: str(said.attrs.get(key, "")) for key in ("axis", "standard_name", "units")}
            if (
                text["axis"].upper() == axis
                or text["standard_name"].lower() in standard
                or text["units"] == units
            ):
                return dim
    for name in names:
        for dim in array.dims:
            if str(dim).lower() == name:
                return dim
    return None


def _is_curved(array: Labels, rows: Hashable, cols: Hashable) -> bool:
    """Whether each pixel has a longitude and a latitude of its own."""
    for names in (("lat", "latitude"), ("lon", "longitude")):
        for name, each in array.coords.items():
            called = (str(name).lower(), str(each.attrs.get("standard_name", "")).lower())
            if set(each.dims) == {rows, cols} and not set(called).isdisjoint(names):
                break
        else:
            return False
    return True


def _rio(array: Labels) -> Rio | None:
    """Return rioxarray's accessor, ``None`` when it is not installed."""
    try:
        load("rioxarray")
    except MissingExtraError:
        return None
    return array.rio if isinstance(array, HasRio) else None


def _grid_mapping(array: Labels) -> Attributes:
    name = array.encoding.get("grid_mapping", array.attrs.get("grid_mapping", "spatial_ref"))
    # CF allows "crs: x y", which names the coordinates it is for.
    name = name.split(":")[0].strip() if isinstance(name, str) else ""
    return array.coords[name].attrs if name in array.coords else {}


def _nodata(array: Labels, rio: Rio | None) -> float | int | None:
    dtype = np.dtype(array.dtype)
    if any(array.encoding.get(key) is not None for key in ("_FillValue", "missing_value")):
        return float("nan") if dtype.kind == "f" else None  # it has been decoded
    known = missing_of(array.attrs, dtype)
    if known:
        return known[0]
    value = None if rio is None else rio.nodata
    return value.item() if isinstance(value, np.generic) else value


def _transform(array: Labels, rows: Hashable, cols: Hashable, mapping: Attributes) -> Affine:
    """Return the transform of the coordinates, or else the stored one.

    The stored one alone may be that of a larger array this one was cut from.
    """
    lengths = dict(zip(array.dims, array.shape, strict=True))
    xs, ys = centres_of(array, cols, (*COLS, *EASTING)), centres_of(array, rows, (*ROWS, *NORTHING))
    grid = (lengths[rows], lengths[cols])
    if xs is None or ys is None:
        stored = transform_of(mapping, array.attrs, grid, alone=True)
        return Affine.identity() if stored is None else stored
    return affine_of(xs, ys, transform_of(mapping, array.attrs, grid, alone=False))
