"""Readers and tensors of georeader, over one image."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

TRANSFORM = Affine(10, 0, 5e5, 0, -10, 4.6e6)


IMAGE = np.random.default_rng(0).integers(1, 99, (3, 40, 50)).astype("int16")


def reader_of(path, **options):
    from georeader.rasterio_reader import RasterioReader

    return RasterioReader(path, **options)


def tensor(values=IMAGE, **options):
    from georeader.geotensor import GeoTensor

    return GeoTensor(values, TRANSFORM, "EPSG:32633", **options)


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "height": 40, "width": 50, "count": 3, "dtype": "int16", "nodata": 7}
    with rasterio.open(place, "w", crs="EPSG:32633", transform=TRANSFORM, **profile) as dataset:
        dataset.write(IMAGE)
        dataset.build_overviews([2])
    return str(place)
