from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

from geopatcher.cli import main
from geotiffs import write_geotiff


def run(*arguments):
    return CliRunner().invoke(main, ["info", *map(str, arguments)])


def test_it_prints_what_rasterio_says(tmp_path):
    path = write_geotiff(tmp_path / "a.tif", np.zeros((2, 30, 1200), "int16"), nodata=-9)
    done = run(path)
    assert done.exit_code == 0, done.output
    lines = dict(line.split(maxsplit=1) for line in done.output.splitlines())
    with rasterio.open(path) as dataset:
        bounds = dataset.bounds
    assert lines["raster"] == "30 x 1,200 pixels, 2 x int16"
    assert lines["crs"].startswith("EPSG:32610 ")
    assert lines["nodata"] == "-9"
    assert lines["bounds"] == "left {:g}, bottom {:.0f}, right {:g}, top {:.0f}".format(*bounds)


@pytest.mark.parametrize(("arguments", "code"), [((), 2), (("nowhere.tif",), 1), (("a", "b"), 2)])
def test_what_it_cannot_describe(tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == code
    assert "Error: " in done.output


def test_json_has_the_code_of_a_crs_and_exact_statistics(tmp_path):
    known = {"driver": "GTiff", "count": 1, "height": 2, "width": 2, "dtype": "uint8"}
    told = {}
    for name, crs in (("code", "EPSG:32633"), ("none", "+proj=laea +lat_0=45 +lon_0=10")):
        with rasterio.open(tmp_path / f"{name}.tif", "w", crs=crs, **known) as out:
            out.write(np.array([[[1, 2], [3, 200]]], "uint8"))
            out.update_tags(1, STATISTICS_MINIMUM="1", STATISTICS_MAXIMUM="200")
            if name == "code":
                out.update_tags(1, STATISTICS_MEAN="51.5", STATISTICS_STDDEV="85.7")
        told[name] = json.loads(run("--json", tmp_path / f"{name}.tif").output)
    assert told["code"]["crs"] == "EPSG:32633"
    assert told["none"]["crs"].startswith("PROJCS[")
    (found,) = told["code"]["statistics"]
    assert (found["minimum"], found["maximum"], found["mean"], found["valid_count"]) == (1, 200, 51.5, None)
    assert told["none"]["statistics"] == []
    assert "values     1 to 200, mean 51.5" in run(tmp_path / "code.tif").output
