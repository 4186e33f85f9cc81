"""One image as every kind of source: an array, a file, a tensor and a reader of georeader."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

import geopatcher as gp

IMAGE = np.random.default_rng(0).random((2, 60, 70)).astype("float32")
TRANSFORM = Affine(10, 0, 5e5, 0, -10, 4.6e6)
KINDS = ["array", "path", "tensor", "reader"]


def patcher_of(size=16, step=16, boundary="cover", sampler=None, **options):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(size, boundary=boundary),
        sampler or gp.SpatialRegularStride(step),
        options.pop("window", gp.SpatialHann()),
        gp.SpatialOverlapAdd(),
        **options,
    )


def tensor(image=IMAGE):
    geotensor = pytest.importorskip("georeader.geotensor")
    return geotensor.GeoTensor(image, TRANSFORM, "EPSG:32633")


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "height": 60, "width": 70, "count": 2, "dtype": "float32"}
    with rasterio.open(place, "w", crs="EPSG:32633", transform=TRANSFORM, **profile) as dataset:
        dataset.write(IMAGE)
    return str(place)


def reader(path):
    return pytest.importorskip("georeader.rasterio_reader").RasterioReader(path)


def source_of(kind, path, image=IMAGE):
    return {"array": lambda: image, "path": lambda: path, "tensor": tensor, "reader": lambda: reader(path)}[
        kind
    ]()
