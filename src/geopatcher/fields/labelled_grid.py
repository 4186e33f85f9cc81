"""Rows, columns, bands and georeference of an array with named dimensions, whatever keeps it.

One reading for a `xarray.DataArray` and for an array of a zarr store, without importing xarray.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from geopatcher._optional import load
from geopatcher.core.domain import RasterDomain
from geopatcher.core.grid_domain import COLS, ROWS
from geopatcher.core.leading import BAND, Dimension, plain
from geopatcher.core.metadata import Ground
from geopatcher.errors import MissingExtraError
from geopatcher.fields.georeference import crs_of, missing_of, transform_of
from geopatcher.fields.labelled import HasRio
from geopatcher.fields.labels import encoded, names_along, names_of, numbers_bands, units_of
from geopatcher.fields.spacing import affine_of, along, centres_of, values_along
from geopatcher.formats.attributes import MISSING_VALUES, ground_of, metadata_of, tags_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from geopatcher.core.leading import Leading
    from geopatcher.fields.georeference import Attributes
    from geopatcher.fields.labelled import Labels, Rio

#: What CF calls them (sections 4.1, 4.2 and 5.6).
NORTHING = (
    "projection_y_coordinate",
    "projection_y_angular_coordinate",
    "latitude",
    "grid_latitude",
)
EASTING = (
    "projection_x_coordinate",
    "projection_x_angular_coordinate",
    "longitude",
    "grid_longitude",
)
#: Most bands that are read: what is made for each would otherwise be as large as a header says.
MAX_BANDS = 2**20


@dataclass(frozen=True)
class Grid:
    """Which dimension is which, and where the raster lies; ``leading`` are those of bands, as they are."""

    rows: Hashable
    cols: Hashable
    leading: tuple[Hashable, ...]
    domain: RasterDomain

    @property
    def dims(self) -> tuple[Hashable, ...]:
        """The dimensions in the order of a raster: the leading ones, rows and columns."""
        return (*self.leading, self.rows, self.cols)

    @property
    def lengths(self) -> dict[Hashable, int]:
        """How long each of them is."""
        return dict(zip(self.dims, self.domain.array_shape, strict=True))

    def indexers(self, rows: slice, cols: slice) -> dict[Hashable, slice | int]:
        """Return what `isel` takes."""
        return {self.rows: rows, self.cols: cols}


def grid_of(array: Labels) -> Grid:
    """Return the grid of an array: its rows, columns and leading dimensions, and where they lie.

    Raises
    ------
    ValueError
        The coordinates are uneven, a dimension has no name of its own, or what is said of the place makes no
        sense.
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
    leading = tuple(dim for dim in array.dims if dim not in (rows, cols))
    if min(array.shape) < 1:
        raise ValueError(f"the array has no pixels: its dimensions {array.dims} are {array.shape} long")
    n_bands = math.prod(int(lengths[dim]) for dim in leading)
    if n_bands > MAX_BANDS:
        along = " and ".join(map(repr, leading))
        raise ValueError(
            f"the array has {n_bands:,} bands along {along}, and more than {MAX_BANDS:,} are not read: "
            f"select some of them first"
        )
    grid = (int(lengths[rows]), int(lengths[cols]))
    shape = (n_bands, *grid) if leading else grid
    return Grid(rows, cols, leading, _domain(array, shape, rows, cols, leading))


def _domain(
    array: Labels, shape: tuple[int, ...], rows: Hashable, cols: Hashable, leading: tuple[Hashable, ...]
) -> RasterDomain:
    count = shape[0] if len(shape) == 3 else 1
    rio, mapping = _rio(array), _grid_mapping(array)
    crs = crs_of(mapping, array.attrs) or (None if rio is None or rio.crs is None else str(rio.crs))
    transform = _transform(array, rows, cols, mapping, crs)
    ground = ground_of(mapping, crs)
    if transform != Affine.identity():
        ground = Ground(rpcs=ground.rpcs)
    elif _is_curved(array, rows, cols):
        ground = replace(ground, arrays=True)
    known = plain(tuple(_dimension(array, dim) for dim in leading))
    return RasterDomain(
        shape=shape,
        transform=transform,
        crs=None if ground.points else crs,  # then it is that of the points
        nodata=_nodata(array, rio),
        dtype=np.dtype(array.dtype).newbyteorder("="),
        band_names=_names(array, leading, known, count),
        units=units_of(array.attrs, count),
        metadata=metadata_of(array.attrs, count, ground),
        leading=known,
    )


def _names(array: Labels, leading: tuple[Hashable, ...], known: Leading, count: int) -> tuple[str, ...]:
    """Return the names of bands: of several dimensions what lies along them, of one its labels."""
    if len(leading) > 1:
        return names_along(known, count)
    labels = array.coords[leading[0]] if leading and leading[0] in array.coords else None
    return names_of(
        None if labels is None else values_along(array, leading[0], leading[0]),
        {} if labels is None else labels.attrs,
        array.attrs,
        count,
    )


def _dimension(array: Labels, dim: Hashable) -> Dimension:
    """Return a leading dimension with its labels; without any where these are but the numbers of bands."""
    name, length = str(dim), int(array.shape[array.dims.index(dim)])
    if name.startswith("dim_") and len(array.dims) == 3:  # it has no name
        name = BAND
    if dim not in array.coords:
        return Dimension(name, length)
    labels, said = encoded(values_along(array, dim, dim), array.coords[dim])
    if name == BAND and numbers_bands(labels):
        return Dimension(name, length)
    return Dimension.of(name, labels, tags_of(said))


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


def nodata_of(array: Labels) -> float | int | None:
    """Return the value of missing cells of an array with named dimensions, as its attributes say it."""
    return _nodata(array, _rio(array))


def _nodata(array: Labels, rio: Rio | None) -> float | int | None:
    dtype = np.dtype(array.dtype)
    if any(array.encoding.get(key) is not None for key in MISSING_VALUES):
        return float("nan") if dtype.kind == "f" else None  # it has been decoded
    known = missing_of(array.attrs, dtype)
    if known:
        return known[0]
    value = None if rio is None else rio.nodata
    return value.item() if isinstance(value, np.generic) else value


def _transform(array: Labels, rows: Hashable, cols: Hashable, mapping: Attributes, crs: str | None) -> Affine:
    """Return the transform of the coordinates, or else the stored one.

    The stored one alone may be that of a larger array this one was cut from.
    """
    lengths = dict(zip(array.dims, array.shape, strict=True))
    xs = centres_of(array, cols, (*COLS, *EASTING), mapping, crs)
    ys = centres_of(array, rows, (*ROWS, *NORTHING), mapping, crs)
    grid = (lengths[rows], lengths[cols])
    if xs is None or ys is None:
        stored = transform_of(mapping, array.attrs, grid, alone=True)
        return Affine.identity() if stored is None else stored
    return affine_of(xs, ys, transform_of(mapping, array.attrs, grid, alone=False))
