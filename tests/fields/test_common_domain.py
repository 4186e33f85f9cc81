"""What several rasters say together."""

from __future__ import annotations

import math

import numpy as np
import pytest
import rasterio

from geopatcher.core.domain import RasterDomain
from geopatcher.errors import SourceError
from geopatcher.fields.common_domain import domain_of
from geopatcher.fields.rasterio_source import RasterioSource
from geotiffs import write_geotiff

GRID = RasterDomain((7, 8))


@pytest.fixture
def scene(tmp_path):
    numbers = iter(range(99))

    def make(dtype="uint8", names=("red", "nir"), tags=None, scale=1.0, **options):
        path = write_geotiff(tmp_path / f"{next(numbers)}.tif", np.ones((2, 4, 4), dtype), **options)
        with rasterio.open(path, "r+") as dataset:
            dataset.descriptions = names
            dataset.scales = (1.0, scale)
            dataset.update_tags(**(tags or {}))
        return RasterioSource(str(path))

    return make


def test_bands_are_those_of_the_first_and_tags_those_of_all(scene):
    found = domain_of(
        [scene(tags={"sensor": "A", "day": "1"}), scene(tags={"sensor": "A", "day": "2"})], GRID
    )
    assert found.shape == (2, 7, 8)
    assert found.band_names == ("red", "nir")
    assert dict(found.metadata.tags)["sensor"] == "A"
    assert "day" not in dict(found.metadata.tags)


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("uint8", (0, 0), 0),
        ("uint8", (0, 255), None),
        ("uint8", (0, None), None),
        ("uint8", (None, None), None),
        ("float32", (-1, -1), -1),
    ],
)
def test_nodata_is_what_all_have(scene, dtype, values, expected):
    assert domain_of([scene(dtype, nodata=value) for value in values], GRID).nodata == expected


def test_nodata_of_floats_is_nan_otherwise(scene):
    for values in ((-1, None), (None, None), (-1, -2)):
        assert math.isnan(domain_of([scene("float32", nodata=value) for value in values], GRID).nodata)


def test_what_is_not_of_one_kind_is_named(scene):
    first = scene()
    for other, why in (
        (scene("int16"), "one holds int16, the other uint8. Convert one of them"),
        (scene(names=("nir", "red")), "their bands are in another order, nir, red and red, nir"),
        (
            scene(scale=0.1),
            r"band 2 has the scale and offset \(0.1, 0.0\) in one and \(1.0, 0.0\) in the other",
        ),
        (first.select_bands([0]), r"one has 1 band\(s\), the other 2"),
    ):
        with pytest.raises(SourceError, match=rf"\d\.tif and .*0\.tif are not of one kind: .*{why}"):
            domain_of([first, other], GRID)
    domain_of([first, scene(names=("B04", "B08"))], GRID)  # other names for the same
