"""Statistics of bands as tags and attributes, written and read again."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import xarray as xr

from geopatcher.core.metadata import BandMetadata, Metadata
from geopatcher.core.statistics import Statistics
from geopatcher.formats.statistics import MAX_BANDS, attributes_of, in_attributes, in_tags, tags_of

ONE = Statistics(-1.5, 2.25, 0.1, 0.5, 100 / 3, 3)
TWO = Statistics(0, 2**64 - 1, 5.5, 2.0, 100.0, 9)


def test_they_are_written_as_gdal_writes_them():
    assert tags_of(ONE) == {
        "STATISTICS_MAXIMUM": "2.25",
        "STATISTICS_MEAN": "0.1",
        "STATISTICS_MINIMUM": "-1.5",
        "STATISTICS_STDDEV": "0.5",
        "STATISTICS_VALID_COUNT": "3",
        "STATISTICS_VALID_PERCENT": "33.33",
    }
    assert tags_of(None) == {}


def test_gdal_takes_tags_for_its_own(tmp_path):
    with rasterio.open(
        tmp_path / "x.tif", "w", driver="GTiff", height=1, width=3, count=1, dtype="float32"
    ) as out:
        out.write(np.array([[[-1.5, 2.25, 9]]], "float32"))
        out.update_tags(1, **tags_of(ONE))
    with rasterio.open(tmp_path / "x.tif") as dataset:
        known = dataset.statistics(1)
        assert (known.min, known.max, known.mean, known.std) == (-1.5, 2.25, 0.1, 0.5)


@pytest.mark.parametrize("found", [ONE, TWO], ids=["floats", "64 bits"])
def test_tags_come_back(found):
    again = in_tags(tags_of(found))
    assert (again.minimum, again.maximum, again.mean, again.valid_count) == (
        found.minimum,
        found.maximum,
        found.mean,
        found.valid_count,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"STATISTICS_APPROXIMATE": "YES"},
        {"STATISTICS_MINIMUM": "nan"},
        {"STATISTICS_MAXIMUM": "inf"},
        {"STATISTICS_MAXIMUM": "-7"},
        {"STATISTICS_MEAN": "much"},
        {"STATISTICS_STDDEV": ""},
    ],
    ids=str,
)
def test_of_a_sample_and_of_what_is_no_number_nothing_is_known(change):
    assert in_tags(tags_of(ONE) | change) is None


@pytest.mark.parametrize("found", [(ONE,), (ONE, TWO), (None, ONE), (ONE, None, TWO)], ids=len)
def test_attributes_come_back(found):
    told = json.loads(json.dumps(attributes_of(found, Metadata()), allow_nan=False))
    assert in_attributes(told, len(found)) == found
    assert in_attributes(told, len(found) + 1) == ()
    known = [each for each in found if each is not None]
    assert told["actual_range"] == [min(each.minimum for each in known), max(each.maximum for each in known)]


def test_the_range_is_in_units_as_cf_has_it():
    scaled = Metadata((BandMetadata(0.5, 1.0), BandMetadata(2.0)))
    told = attributes_of([ONE, Statistics(0, 50, 1.0, 1.0)], scaled)
    assert told["actual_range"] == [0.0, 100.0]
    assert told["STATISTICS_MAXIMUM"] == [2.25, 50]


def test_netcdf_holds_them_too(tmp_path):
    cells = xr.DataArray(np.zeros((2, 3)), dims=("y", "x"), attrs=attributes_of([None, ONE], Metadata()))
    cells.to_dataset(name="data").to_netcdf(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc") as again:
        told = {name: np.asarray(value).tolist() for name, value in again["data"].attrs.items()}
    assert in_attributes(told, 2) == (None, ONE)


def test_of_many_bands_only_the_range_of_all_is_kept():
    told = attributes_of([ONE] * (MAX_BANDS + 1), Metadata())
    assert told == {"actual_range": [-1.5, 2.25]}
    assert attributes_of([None, None], Metadata()) == attributes_of([], Metadata()) == {}
