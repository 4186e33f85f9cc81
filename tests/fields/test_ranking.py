"""Which scene comes first."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
import rasterio

from geopatcher.errors import SourceError
from geopatcher.fields.mosaic import Mosaic
from geopatcher.fields.ranking import cloud_of, date_of, ranked
from geopatcher.fields.rasterio_source import RasterioSource
from geotiffs import write_geotiff


@pytest.fixture
def tagged(tmp_path):
    """Make a scene with tags, some of them in a namespace."""
    numbers = iter(range(99))

    def make(namespace=None, **tags):
        path = write_geotiff(tmp_path / f"scene{next(numbers)}.tif", np.ones((1, 4, 4), "uint8"))
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(**({"ns": namespace} if namespace else {}), **tags)
        return RasterioSource(str(path))

    return make


@pytest.mark.parametrize(
    ("namespace", "tags"),
    [
        (None, {"TIFFTAG_DATETIME": "2024:05:01 10:20:30"}),
        (None, {"DATE_ACQUIRED": "2024-05-01T10:20:30Z", "TIFFTAG_DATETIME": "2025:01:01 00:00:00"}),
        ("IMAGERY", {"ACQUISITIONDATETIME": "2024-05-01 12:20:30+02:00"}),
    ],
)
def test_the_time_of_a_scene_is_in_its_tags(tagged, namespace, tags):
    assert date_of(tagged(namespace, **tags)) == datetime(2024, 5, 1, 10, 20, 30, tzinfo=UTC)


def test_the_newest_and_the_clearest_come_first(tagged):
    scenes = [
        tagged(TIFFTAG_DATETIME=f"2024:0{month}:01 00:00:00", CLOUD_COVER=str(cloud))
        for month, cloud in ((3, 9.5), (5, 80), (3, 0), (1, 9.5))
    ]
    assert ranked(scenes, "first", None, None) == [0, 1, 2, 3]
    assert ranked(scenes, "median", None, None) == [0, 1, 2, 3]
    assert ranked(scenes, "newest", None, None) == [1, 0, 2, 3]
    assert ranked(scenes, "least-cloud", None, None) == [2, 0, 3, 1]
    given = [date(2020, 1, 1), "2021-01-01", datetime(2021, 1, 1, 1), "2019-12-31T23:00:00-02:00"]  # noqa: DTZ001
    assert ranked(scenes, "newest", given, None) == [2, 1, 3, 0]
    assert ranked(scenes, "least-cloud", None, [1, 0, 1, 0]) == [1, 3, 0, 2]


def test_a_scene_that_says_nothing_is_named(tagged):
    silent, wrong = tagged(), tagged(ACQUIRED="last summer", CLOUD_COVER="some")
    with pytest.raises(SourceError, match=r"scene0\.tif does not say when it was seen .* give dates="):
        date_of(silent)
    with pytest.raises(SourceError, match=r"scene1\.tif does not say plainly .*'last summer' is no date"):
        date_of(wrong)
    for scene in (silent, wrong):
        with pytest.raises(SourceError, match=r"scene\d\.tif does not say how cloudy it is .* give cloud="):
            cloud_of(scene)
    with pytest.raises(SourceError, match=r"scene0\.tif"):
        Mosaic([silent], order="newest")


@pytest.mark.parametrize(
    ("order", "dates", "cloud", "message"),
    [
        ("latest", None, None, "order is one of first, newest, least-cloud, median, not 'latest'"),
        ("newest", ["2024-01-01"], None, "dates has 1 values for 2 scenes"),
        ("least-cloud", None, [1, 2, 3], "cloud has 3 values for 2 scenes"),
        ("least-cloud", None, [1, float("nan")], "cloud has NaN"),
        ("first", ["2024-01-01"] * 2, None, "dates is for order='newest', and order is 'first'"),
        ("newest", ["2024-01-01", "soon"], None, "'soon' is no date, such as 2024-05-01"),
    ],
)
def test_wrong_arguments_are_refused(tagged, order, dates, cloud, message):
    with pytest.raises(ValueError, match=message):
        ranked([tagged(), tagged()], order, dates, cloud)
