from __future__ import annotations

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
