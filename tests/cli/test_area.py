"""Which part of a raster is meant, said by flags."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import shapely.geometry
from affine import Affine
from click.testing import CliRunner

from geopatcher.cli import main

PIXELS = np.arange(100 * 120, dtype="float32").reshape(100, 120)


def write(path, transform, shape=(100, 120)):
    known = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": "EPSG:32633", "transform": transform}
    with rasterio.open(path, "w", height=shape[0], width=shape[1], **known) as dataset:
        dataset.write(PIXELS[: shape[0], : shape[1]], 1)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "a.tif", Affine(10, 0, 5e5, 0, -10, 5e6))
    write(tmp_path / "b.tif", Affine(10, 0, 5e5 + 200, 0, -10, 5e6 - 300), (20, 30))
    square = shapely.geometry.mapping(shapely.box(5e5 + 200, 5e6 - 500, 5e5 + 500, 5e6 - 300))
    crs = {"type": "name", "properties": {"name": "EPSG:32633"}}
    (tmp_path / "field.geojson").write_text(json.dumps({"type": "Feature", "geometry": square, "crs": crs}))
    return tmp_path


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize(
    "flags",
    [
        ["--bounds", "500200,4999500,500500,4999700"],
        ["--aoi", "field.geojson"],
        ["--like", "b.tif"],
    ],
)
def test_each_flag_names_the_same_part(folder, flags, monkeypatch):
    monkeypatch.chdir(folder)
    ended = run("run", "a.tif", "out.tif", "--expr", "b1*2", "--size", "16", "--crop", *flags)
    assert ended.exit_code == 0, ended.output
    with rasterio.open("out.tif") as dataset:
        assert dataset.bounds == (5e5 + 200, 5e6 - 500, 5e5 + 500, 5e6 - 300)
        np.testing.assert_array_equal(dataset.read(1), 2 * PIXELS[30:50, 20:50])
    planned = run("plan", "a.tif", "out.tif", "--size", "16", "--crop", *flags)
    assert "20 x 30 pixels" in planned.output


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--bounds", "1,2,3"], "not four numbers"),
        (["--bounds", "1,2,3,4", "--aoi", "x.geojson"], "give one of --bounds, --aoi"),
        (["--bounds-crs", "EPSG:4326"], "--bounds-crs is for --bounds"),
        (["--crop"], "none is given"),
        (["--aoi", "none.geojson"], "none.geojson"),
    ],
)
def test_flags_that_say_nothing_together_are_named(folder, flags, said, monkeypatch):
    monkeypatch.chdir(folder)
    ended = run("run", "a.tif", "out.tif", "--expr", "b1", *flags)
    assert ended.exit_code
    assert said in ended.output + str(ended.exception)
    assert not (folder / "out.tif").exists()
