"""What `detect` gives back, told and shown."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely

import geopatcher
from geopatcher.api.detected import DetectedObjects
from geopatcher.engine.stats import RunStats

STATS = RunStats(patches=12, skipped=3, failed=1, elapsed=2.5, notes=["went on"])
MADE = DetectedObjects(Path("ships.gpkg"), 1234, 5678, 90, {0: 1200, 7: 34}, STATS, {0: "ship"})


def test_it_is_told_in_a_line_and_in_several():
    assert repr(MADE) == "DetectedObjects(ships.gpkg, 1,234 objects of 5,678 detections)"
    assert str(MADE).splitlines() == [
        "result     ships.gpkg",
        "objects    1,234 of 5,678 detections (ship 1,200, 7 34)",
        "patches    12, 3 without data left out, 1 failed",
        "held       90 detections at most",
        "time       2.5 s",
        "note       went on",
    ]


def test_many_classes_are_not_listed():
    many = DetectedObjects(Path("a.fgb"), 30, 30, 1, dict.fromkeys(range(30), 1), RunStats())
    assert "objects    30 of 30 detections\n" in str(many)


def test_a_notebook_shows_the_same_and_escapes_it():
    names = {0: "<b>"}
    shown = DetectedObjects(Path("a.fgb"), 1, 1, 1, {0: 1}, RunStats(), names)._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown


@pytest.mark.parametrize("ending", ["gpkg", "parquet"])
def test_it_is_read_as_a_table(tmp_path, ending):
    table = geopandas.GeoDataFrame(
        {"class": [1], "score": [0.5]}, geometry=[shapely.box(0, 0, 1, 1)], crs=32633
    )
    path = tmp_path / f"a.{ending}"
    table.to_parquet(path) if ending == "parquet" else table.to_file(path)
    read = DetectedObjects(path, 1, 1, 1, {}, RunStats()).to_geodataframe()
    assert read.crs == table.crs
    assert read["class"].tolist() == [1]


@pytest.mark.parametrize("ending", ["gpkg", "fgb", "geojson", "parquet"])
@pytest.mark.parametrize("classes", [None, ["ship"]])
def test_no_object_is_a_table_without_rows_of_the_same_columns(tmp_path, ending, classes):
    def none(patch):
        return np.empty((0, 6))

    found = geopatcher.detect(np.zeros((1, 8, 8)), none, tmp_path / f"a.{ending}", size=8, classes=classes)
    table = found.to_geodataframe()
    assert {*table.columns} == {"class", "score", "geometry", *(["name"] if classes else [])}
    assert (len(table), table["class"].dtype, table["score"].dtype) == (0, "int64", "float64")
