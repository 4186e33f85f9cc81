from __future__ import annotations

import click
import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine
from click.testing import CliRunner

from geopatcher.cli import main
from geopatcher.cli.export import export, read_bounds, read_pixels
from geopatcher.core.box import Box
from geotiffs import write_described

UP = Affine(10, 0, 500_000, 0, -10, 8_000_000)

IMAGE = np.random.default_rng(0).integers(0, 200, (4, 150, 170)).astype("uint8")


def tiff(path, image=IMAGE, **profile):
    return write_described(path, image, **{"crs": "EPSG:32725", "transform": UP, **profile})


def invoke(*arguments):
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def test_the_command_line_does_the_same(tmp_path):
    source = tiff(tmp_path / "a.tif")
    out = invoke(source, tmp_path / "b.tif", "--bands", "3,1", "--pixels", "10:60,20:100", "--nodata", "255")
    assert out.exit_code == 0, out.output
    assert out.output.strip().endswith("b.tif")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), IMAGE[[2, 0], 10:60, 20:100])
        assert dataset.nodata == 255
    out = invoke(source, tmp_path / "c.zarr", "--bounds", "500100,7999000,500500,7999500", "--multiscales")
    assert out.exit_code == 0, out.output
    assert zarr.open_group(tmp_path / "c.zarr", mode="r")["data"].shape == (4, 50, 40)


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("--pixels", "1:2"), 2, "'1:2' is not rows and columns of pixels, such as 0:1000,500:2500"),
        (("--bounds", "1,2,3"), 2, "'1,2,3' is not left,bottom,right,top"),
        (("--bands", "0"), 2, "are not bands"),
        (("--pixels", "0:9,0:999"), 1, "is not inside the raster"),
    ],
)
def test_the_command_line_says_what_is_wrong(tmp_path, arguments, code, complaint):
    out = invoke(tiff(tmp_path / "a.tif"), tmp_path / "b.tif", *arguments)
    assert out.exit_code == code
    assert complaint in out.output


def test_windows_and_bounds_are_read():
    context, option = click.Context(export), export.params[-1]
    assert read_pixels(context, option, "0:1000, 500:2500") == Box(0, 1000, 500, 2500)
    assert read_bounds(context, option, "-1.5,2,3e2,4") == (-1.5, 2.0, 300.0, 4.0)
    assert read_pixels(context, option, None) is read_bounds(context, option, None) is None
