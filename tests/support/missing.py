"""A raster with a gap, operators that make every value of it, and what readers see of their results."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

import geopatcher as gp

PLACE = {"crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 5e6)}
TARGETS = [None, "x.zarr", "x.tif"]


def tiff(path, image, mask=None, **profile):
    bands, height, width = image.shape
    known = {"driver": "GTiff", "height": height, "width": width, "count": bands, "dtype": image.dtype}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **{**known, **PLACE, **profile}) as dataset,
    ):
        dataset.write(image)
        if mask is not None:
            dataset.write_mask(mask)
    return path


def place(tmp_path, target):
    return None if target is None else tmp_path / target


def held_by_readers(path):
    """Where others than this library say that a result holds data, ``(bands, h, w)``."""
    if path.suffix == ".tif":
        with rasterio.open(path) as dataset:
            return dataset.read_masks() > 0
    xarray = pytest.importorskip("xarray")
    with xarray.open_zarr(path) as dataset:
        array = dataset["data"]
        held = ~np.isnan(array.values.astype("float64"))
        if "valid" in array.coords:
            held &= array.coords["valid"].values > 0
    return held.reshape(-1, *held.shape[-2:])


def check(result, wanted, held):
    """Hold a result against what it must hold, where it must hold data, and what readers of it see."""
    cells = np.asarray(result.array[...])
    held = np.broadcast_to(held, cells.shape)
    np.testing.assert_array_equal(result.valid[...], held)
    np.testing.assert_array_equal(cells[held], np.broadcast_to(wanted, cells.shape)[held])
    if result.domain.nodata is not None and not np.isnan(result.domain.nodata):
        assert (cells[held] != result.domain.nodata).all()
    if result.path is not None:
        seen = held_by_readers(result.path)
        np.testing.assert_array_equal(seen, held.reshape(seen.shape))
        source = gp.RasterField(result.path).source
        box = gp.Box(0, cells.shape[-2], 0, cells.shape[-1])
        valid = source.valid(box, source.read(box))
        valid = ~np.isnan(source.read(box)) if source.domain.dtype.kind == "f" else valid
        known = np.ones(seen.shape, bool) if valid is None else valid
        np.testing.assert_array_equal(known, held.reshape(seen.shape))


IMAGE = np.random.default_rng(0).integers(1, 5000, (1, 200, 150)).astype("uint16")
IMAGE[:, :40, :50] = 0
HELD = IMAGE[0] > 0

OPERATORS = {
    "classes 0 and 1": lambda x: (x[0] > 2500).astype("uint8"),
    "a mask": lambda x: x[0] > 2500,
    "a change of 0": lambda x: x - np.minimum(x, 2500),
    "a slope of 0": lambda x: (x * 0).astype("int16"),
    "the ends of the range": lambda x: np.where(x % 2, np.uint8(255), np.uint8(0)),
    "the ends of a signed range": lambda x: np.where(x % 2, np.int16(-32768), np.int16(32767)),
    "wide": lambda x: np.where(x % 2, np.int64(-(2**53)), np.int64(2**53)),
}
