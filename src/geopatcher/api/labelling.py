"""Results as xarray has them: with coordinates, CRS and nodata."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.core.gaps import VALID
from geopatcher.formats.attributes import ground_attributes, metadata_attributes
from geopatcher.inspect.arrays import at
from geopatcher.targets.georef import dims_of, flag_attributes, leading_coordinates, unit_attributes

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import xarray

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array
    from geopatcher.targets.places import Spot


def labelled_array(values: Array, domain: RasterDomain, valid: Array | None = None) -> xarray.DataArray:
    """Return cells ``(bands, h, w)`` or ``(h, w)`` with the coordinates and the CRS of a domain.

    ``valid`` says where they hold data, where nodata does not. Names of bands are the domain's where
    it has as many.

    Raises
    ------
    MissingExtraError
        xarray or rioxarray is not installed.

    """
    xr = load("xarray")
    load("rioxarray")
    own = values.shape == domain.array_shape
    dims = dims_of(domain) if own else ("band", "y", "x")[-values.ndim :]
    array: xarray.DataArray = xr.DataArray(values, _labels(domain) if own else None, dims, name="data")
    if values.ndim == 3 and not domain.leading:
        array = array.assign_coords(band=np.arange(1, values.shape[0] + 1))
        if domain.band_names and len(domain.band_names) == len(values):
            array.attrs["long_name"] = tuple(domain.band_names)
    elif own and len(domain.band_names) == 1:
        array.attrs["long_name"] = domain.band_names[0]
    array = array.assign_attrs(metadata_attributes(domain.metadata))
    if own:
        array = array.assign_attrs(unit_attributes(domain.units))
    if valid is not None:
        said = (dims, valid.astype(np.uint8), flag_attributes())
        array = array.assign_coords({VALID: said}).assign_attrs(ancillary_variables=VALID)
    array = array.rio.write_transform(domain.transform)
    array = array.assign_coords(_coordinates(domain))
    if domain.crs is not None:
        array = array.rio.write_crs(domain.crs)
    array.coords[array.rio.grid_mapping].attrs.update(ground_attributes(domain.metadata.ground))
    marked: xarray.DataArray = array.rio.write_nodata(domain.nodata)
    return marked


def opened_array(path: Spot) -> xarray.DataArray:
    """Return a result that is stored in zarr, opened lazily.

    Raises
    ------
    MissingExtraError
        xarray or rioxarray is not installed.

    """
    xr = load("xarray")
    load("rioxarray")
    group = at(path).group()
    options = {"consolidated": False, "chunks": None, "mask_and_scale": False}
    dataset = xr.open_zarr(group.store, group=group.path or None, **options)
    lazy: xarray.DataArray = dataset["data"]
    return lazy


def _labels(domain: RasterDomain) -> Mapping[Hashable, xarray.DataArray]:
    """Return the coordinates of leading dimensions, with dates as dates."""
    xr = load("xarray")
    stored = {
        name: xr.Variable((name,), labels, said)
        for name, (labels, said) in leading_coordinates(domain).items()
    }
    decoded: xarray.Dataset = xr.decode_cf(xr.Dataset(coords=stored))
    if not domain.leading:  # numbers of bands go without saying
        decoded = decoded.drop_attrs()
    return decoded.coords


def _coordinates(domain: RasterDomain) -> dict[str, tuple[str, Array]]:
    """Return pixel centres of a grid that is not rotated."""
    transform = domain.transform
    if transform.b != 0 or transform.d != 0:
        return {}
    x = transform.c + transform.a * (np.arange(domain.width) + 0.5)
    y = transform.f + transform.e * (np.arange(domain.height) + 0.5)
    return {"x": ("x", x), "y": ("y", y)}
