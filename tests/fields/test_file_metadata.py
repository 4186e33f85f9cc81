from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

from geopatcher.core.metadata import ControlPoint
from geopatcher.fields.file_metadata import metadata_of
from geotiffs import write_geotiff

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def test_bands_say_their_scale_color_and_tags(tmp_path):
    path = write_geotiff(tmp_path / "a.tif", np.ones((2, 4, 5), "uint8"), photometric="MINISBLACK")
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.5, 2.0), (0.0, -1.0)
        dataset.update_tags(ACQUIRED="2024-05-01", STATISTICS_MEAN="7")
        dataset.update_tags(2, WAVELENGTH="490", STATISTICS_MINIMUM="1")
        dataset.update_tags(ns="MINE", LEVEL="2A")
    with rasterio.open(path) as dataset:
        found = metadata_of(dataset, [2, 1])
    assert [(band.scale, band.offset) for band in found.bands] == [(2.0, -1.0), (0.5, 0.0)]
    assert dict(found.bands[0].tags) == {"WAVELENGTH": "490"}
    tags = dict(found.tags)
    assert (tags["ACQUIRED"], tags["MINE#LEVEL"]) == ("2024-05-01", "2A")
    assert not any("STATISTICS" in name or "COMPRESSION" in name for name in tags)


def test_a_palette_is_read(tmp_path):
    path = write_geotiff(tmp_path / "a.tif", np.ones((1, 4, 5), "uint8"))
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {0: (1, 2, 3, 255), 7: (9, 8, 7, 255)})
    with rasterio.open(path) as dataset:
        (band,) = metadata_of(dataset, [1]).bands
    assert band.color == "palette"
    assert {0: (1, 2, 3, 255), 7: (9, 8, 7, 255)}.items() <= dict(band.colormap).items()


@pytest.mark.parametrize(
    ("colors", "expected"),
    [
        ("#102030 #ff0000", ((-5, (16, 32, 48, 255)), (70000, (255, 0, 0, 255)))),
        ("#102030", ()),
        ("#102030 red", ()),
        ("", ()),
    ],
)
def test_colors_of_classes_are_read_where_the_dtype_has_no_color_table(tmp_path, colors, expected):
    path = write_geotiff(tmp_path / "a.tif", np.ones((1, 4, 5), "int32"))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(1, flag_values="[-5, 70000]", flag_meanings="low high", flag_colors=colors)
    with rasterio.open(path) as dataset:
        (band,) = metadata_of(dataset, [1]).bands
    assert band.classes == ((-5, "low"), (70000, "high"))
    assert band.colormap == expected
    assert (band.color == "palette") is bool(expected)


@pytest.mark.parametrize("placed", [False, True])
def test_control_points_tie_a_raster_that_has_no_transform(tmp_path, placed):
    points = [GroundControlPoint(row=1, col=2.5, x=10, y=20, z=3, id="p", info="corner")]
    path = write_geotiff(tmp_path / "a.tif", np.ones((1, 4, 5), "uint8"), transform=None, crs=None)
    with rasterio.open(path, "r+") as dataset:
        dataset.gcps = (points, rasterio.CRS.from_epsg(4326))
        if placed:
            dataset.transform = Affine(10, 0, 0, 0, -10, 0)
    with rasterio.open(path) as dataset:
        ground = metadata_of(dataset, [1]).ground
    if placed:
        assert ground.points == ()
    else:
        assert ground.points[0][:5] == ControlPoint(1.0, 2.5, 10.0, 20.0, 3.0, "", "")[:5]
        assert rasterio.CRS.from_string(ground.crs).to_epsg() == 4326
