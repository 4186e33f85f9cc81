"""Scenes at places of one map, with holes, and what is read of them."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from geopatcher.core.box import Box
from geotiffs import write_geotiff

RNG = np.random.default_rng(5)
EAST, NORTH = 500_000, 4_600_000
ZONE33 = "EPSG:32633"


def place(col=0.0, row=0.0, side=10.0):
    """Return the transform of a raster that begins at a column and a row of pixels of 10 m."""
    return Affine(side, 0, EAST + 10 * col, 0, -side, NORTH - 10 * row)


def whole(source):
    return Box.of_shape(source.domain.grid_shape)


def read(source, box=None):
    """Return pixels as float, NaN where they are missing."""
    box = box or whole(source)
    pixels = source.read(box)
    valid = source.valid(box, pixels)
    found = pixels.astype("float64")
    if valid is not None:
        found[~valid] = np.nan
    return found


def holed(shape, dtype, nodata, at):
    """Return numbers with a rectangle, and some cells, of nodata."""
    array = RNG.integers(1, 120, shape).astype(dtype)
    array[:, at : at + 9, at : at + 7] = nodata
    array[0][RNG.random(shape[1:]) < 0.1] = nodata
    return array


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three scenes of bytes: one pixel of overlap, a large overlap, and gaps between."""
    folder = tmp_path_factory.mktemp("three")
    places = [(0, 0), (39, -20), (10, 30)]
    return [
        str(
            write_geotiff(
                folder / f"{number}.tif",
                holed((2, 40, 40), "uint8", 0, number * 5),
                crs=ZONE33,
                transform=place(*at),
                nodata=0,
            )
        )
        for number, at in enumerate(places)
    ]
