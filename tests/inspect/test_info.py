"""What rasters and results are said to be."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine
from click.testing import CliRunner

import geopatcher
from geopatcher.cli import main
from geopatcher.errors import SourceError
from geopatcher.inspect.info import describe


@pytest.fixture
def raster(tmp_path):
    path = tmp_path / "scene.tif"
    profile = {
        "driver": "GTiff",
        "count": 2,
        "height": 1200,
        "width": 700,
        "dtype": "int16",
        "nodata": -9999,
        "crs": "EPSG:32633",
        "transform": Affine(10, 0, 500_000, 0, -20, 5_000_000),
        "tiled": True,
        "blockxsize": 128,
        "blockysize": 256,
        "compress": "deflate",
    }
    with rasterio.open(path, "w", **profile) as out:
        out.write(np.arange(2 * 1200 * 700).reshape(2, 1200, 700).astype("int16") % 100)
        out.descriptions = ("red", "near infrared")
        out.set_band_unit(1, "W")
        out.build_overviews([2, 4])
    return path


def described(path):
    result = CliRunner().invoke(main, ["info", str(path)])
    assert result.exit_code == 0, result.output
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in result.output.splitlines()}


def test_a_raster(raster):
    lines = described(raster)
    size = f"{raster.stat().st_size / 1024:.1f} KiB"
    assert lines == {
        "file": f"{raster} (GTiff, {size} on disk)",
        "raster": "1,200 x 700 pixels, 2 x int16",
        "crs": "EPSG:32633 (WGS 84 / UTM zone 33N)",
        "resolution": "10 x 20 metre",
        "bounds": "left 500000, bottom 4976000, right 507000, top 5000000",
        "nodata": "-9999",
        "bands": "1 red [W], 2 near infrared",
        "blocks": "256x128, deflate, overviews 2 4",
    }


def test_a_result_says_the_same_of_its_grid_as_its_raster(raster, tmp_path):
    target = tmp_path / "out.zarr"
    geopatcher.reconstruct(raster, lambda patch: patch, target, chunks=(128, 256))
    source, result = described(raster), described(target)
    for line in ("raster", "crs", "resolution", "bounds", "nodata"):
        assert result[line] == source[line]
    assert result["bands"].startswith("1 red")
    assert result["blocks"] == "128x256, zstd"
    files = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    assert describe(target).n_bytes == files
    assert result["file"].startswith(f"{target} (zarr v3, ")


def test_arrays_beside_the_result_are_its_layers(raster, tmp_path):
    target = tmp_path / "out.zarr"
    geopatcher.reconstruct(raster, lambda patch: patch, target, size=64)
    group = zarr.open_group(target, mode="r+")
    group.create_array("weight", shape=(1200, 700), dtype="float32", chunks=(512, 512))
    assert described(target)["layers"] == "weight"


def test_classes_are_named(raster, tmp_path):
    class Halves:
        def predict_proba(self, rows):
            low = (rows[:, 0] < 50).astype("float32")
            return np.stack([low, 1 - low], axis=1)

    model = geopatcher.Model(Halves(), bands=[1], classes=["low", "high"])
    for name in ("map.tif", "map.zarr"):
        geopatcher.reconstruct(raster, model, tmp_path / name)
        assert "classes    0 low, 1 high" in str(describe(tmp_path / name)).splitlines()
    assert "\nclasses " not in str(describe(raster))


def test_without_crs_and_rotated(tmp_path):
    path = tmp_path / "plain.tif"
    turned = Affine(3, 4, 0, 4, -3, 0)
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=8, width=9, dtype="uint8", transform=turned
    ) as out:
        out.write(np.ones((1, 8, 9), "uint8"))
    lines = described(path)
    assert lines["crs"] == "none"
    assert lines["nodata"] == "none"
    assert lines["resolution"] == "5 x 5, rotated"


def test_many_bands_are_counted(tmp_path):
    path = tmp_path / "cube.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=20,
        height=8,
        width=9,
        dtype="uint8",
        transform=Affine(1, 0, 0, 0, -1, 8),
    ) as out:
        out.write(np.ones((20, 8, 9), "uint8"))
    assert described(path)["bands"].endswith("16 b16, and 4 more")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "cannot open .*nothing as a raster"),
        (lambda path: path.mkdir(), "nothing is a folder, but not a zarr store"),
        (lambda path: path.write_text("no raster"), "cannot open .*nothing as a raster"),
        (zarr.create_group, "has no array 'data'"),
    ],
)
def test_what_is_neither_is_refused(tmp_path, make, message):
    path = tmp_path / "nothing"
    make(path)
    with pytest.raises(SourceError, match=message):
        describe(path)
    result = CliRunner().invoke(main, ["info", str(path)])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
