"""Rasters as xarray writes them, and how it reads a store."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio
import zarr

from geopatcher.core.box import Box

xarray = pytest.importorskip("xarray")
pytest.importorskip("rioxarray")
#: What xarray and zarr warn of is not what these tests are about.
QUIET = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning"),
    pytest.mark.filterwarnings("ignore::xarray.coding.common.SerializationWarning"),
]


def scene(shape=(3, 12, 17), dtype="int16", names=("y", "x"), step=(10.0, -10.0), seed=0):
    """A DataArray of bands, rows and columns with coordinates of its pixel centres."""
    cells = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    coords = {
        names[1]: 5e5 + step[0] * (np.arange(shape[-1]) + 0.5),
        names[0]: 4.6e6 + step[1] * (np.arange(shape[-2]) + 0.5),
    }
    dims = (*("band", "time")[: len(shape) - 2], *names)
    return xarray.DataArray(cells, coords, dims, name="scene")


def stored(array, place, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array.to_dataset().to_zarr(place, **options)
    return place


def opened(place, name="scene", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = {"consolidated": False, "decode_coords": "all", "chunks": None} | options
        return xarray.open_zarr(place, **known)[name]


def same_crs(text, other):
    if text is None or other is None:
        return text is other
    return rasterio.CRS.from_user_input(text) == rasterio.CRS.from_user_input(other)


def read_whole(source):
    """The cells of a source, with what is missing as NaN."""
    box = Box.of_shape(source.domain.grid_shape)
    pixels = source.read(box)
    valid = source.valid(box, pixels)
    return pixels.astype(float) if valid is None else np.where(valid, pixels, np.nan)


def pyramid(place, inside):
    """A GeoZarr pyramid: all that is said of places stands at its root."""
    root = zarr.create_group(place)
    layout = []
    for level, name in enumerate(("r10m", "r20m")):
        side, step = 16 >> level, 10 << level
        asset = f"{name}/b02" if inside == "arrays" else name
        entry = {"asset": asset, "spatial:shape": [side, side]}
        entry |= {"spatial:transform": [step, 0, 5e5, 0, -step, 4.6e6]}
        layout.append(entry | ({"derived_from": "r10m/b02"} if level else {}))
        group = root.create_group(name)
        group.create_array("b02", data=np.full((side, side), level, "u1"), dimension_names=("y", "x"))
    layout.reverse()  # the order says nothing
    root.attrs.update({"multiscales": {"layout": layout}, "proj:code": "EPSG:32633"})
    return place
