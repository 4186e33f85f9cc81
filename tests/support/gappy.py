"""A GeoTIFF whose bands are missing in places of their own, and in which every value is in use."""

from __future__ import annotations

import numpy as np
from affine import Affine

import geopatcher as gp

PLACE = {"crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 5e6)}


def gappy(path, shape=(2, 90, 110), *, seed=0):
    """Write it, with its mask beside it; return its cells, and where each band holds data."""
    rng = np.random.default_rng(seed)
    cells, held = rng.integers(0, 256, shape).astype("uint8"), rng.random(shape) > 0.3
    for band in range(shape[0]):
        cells[band].flat[:256], held[band].flat[:256] = np.arange(256), True
    field = gp.RasterField.from_array(cells, **PLACE)
    masked = gp.RasterField.from_array(held.astype("uint8"), **PLACE)
    gp.reconstruct(
        {"cells": field, "held": masked},
        lambda patch: np.ma.array(patch["cells"], mask=patch["held"] == 0),
        path,
        size=64,
        step=64,
        window="boxcar",
        aggregation="max",
    )
    return cells, held
