"""A raster over the whole globe, and stations in the plane."""

from __future__ import annotations

import geopandas
import numpy as np
import shapely
from affine import Affine

from geopatcher import RasterField


def globe(bands=0, seed=0):
    shape = (bands, 18, 36) if bands else (18, 36)
    values = np.random.default_rng(seed).random(shape)
    return RasterField.from_array(values, transform=Affine(10, 0, -180, 0, -10, 90), crs="EPSG:4326")


def stations(n=40, seed=0):
    rng = np.random.default_rng(seed)
    places = shapely.points(rng.uniform(0, 100, (n, 2)))
    return geopandas.GeoDataFrame({"t": rng.normal(size=n)}, geometry=places, crs="EPSG:3035")
