"""GeoTIFFs written by rasterio alone."""

from __future__ import annotations

import rasterio


def write_geotiff(path, array, **keywords):
    """Write ``(bands, h, w)`` with a place on the ground; return the path."""
    profile = {"driver": "GTiff", "height": array.shape[1], "width": array.shape[2], "count": array.shape[0]}
    transform = rasterio.Affine(30, 0, 500_000, 0, -30, 4_000_000)
    profile |= {"dtype": array.dtype.name, "crs": "EPSG:32610", "transform": transform}
    with rasterio.open(path, "w", **(profile | keywords)) as dataset:
        dataset.write(array)
    return path


def write_described(path, array, **keywords):
    """Write ``(bands, h, w)`` whose bands have names and units; return the path."""
    kind = {"photometric": "MINISBLACK", "alpha": "UNSPECIFIED"}  # else a fourth band of bytes is alpha
    write_geotiff(path, array, **{**kind, **keywords})
    with rasterio.open(path, "r+") as dataset:
        for band in dataset.indexes:
            dataset.set_band_description(band, f"name {band}")
            dataset.set_band_unit(band, "m")
    return path
