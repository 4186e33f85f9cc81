"""Names of classes beside a GeoTIFF, as GDAL reads them: what it makes of the file as a VRT."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio.shutil

import geopatcher as gp
from geopatcher.core.domain import RasterDomain
from geopatcher.core.metadata import ClassLabel, of_classes
from geopatcher.targets.categories import sidecar_of, write_categories
from tests.api.test_outputs import IMAGE, Model, shares


def read_by_gdal(path):
    rasterio.shutil.copy(path, path.with_suffix(".vrt"), driver="VRT")
    band = ET.parse(path.with_suffix(".vrt")).find("VRTRasterBand")  # noqa: S314 - our own
    names = [each.text or "" for each in band.findall("CategoryNames/Category")]
    rows = [[cell.text for cell in row] for row in band.findall("GDALRasterAttributeTable/Row")]
    return names, rows


def test_gdal_knows_the_classes_of_a_map(tmp_path):
    gp.reconstruct(IMAGE, Model(), tmp_path / "r.tif", size=32)
    names, rows = read_by_gdal(tmp_path / "r.tif")
    assert names == ["", "", "", "land", "", "sea", "", "", "", "cloud"]
    assert rows[0] == ["3", "land", "0", "255", "0", "255"]
    assert [row[:2] for row in rows[1:]] == [["5", "sea"], ["9", "cloud"]]


def test_a_layer_of_classes_has_its_own(tmp_path):
    gp.reconstruct(IMAGE, Model(), tmp_path / "r.tif", size=32, outputs=("gap", "class"))
    assert not sidecar_of(tmp_path / "r.tif").exists()
    assert read_by_gdal(tmp_path / "r.class.tif")[0][3] == "land"


def test_that_of_a_replaced_result_goes_with_it(tmp_path):
    gp.reconstruct(IMAGE, Model(), tmp_path / "r.tif", size=32)
    gp.reconstruct(IMAGE, shares, tmp_path / "r.tif", size=32, overwrite=True)
    assert not sidecar_of(tmp_path / "r.tif").exists()
    gp.reconstruct(IMAGE, Model(), tmp_path / "r.tif", size=32, outputs=("gap", "class"), overwrite=True)
    gp.reconstruct(IMAGE, Model(), tmp_path / "r.tif", size=32, outputs="gap", overwrite=True)
    assert [path.name for path in tmp_path.iterdir() if "aux" in path.name or "class" in path.name] == []


def test_a_copy_keeps_them(tmp_path):
    gp.reconstruct(IMAGE, Model(), tmp_path / "r.zarr", size=32)
    gp.export(tmp_path / "r.zarr", tmp_path / "copy.tif")
    assert read_by_gdal(tmp_path / "copy.tif")[0][9] == "cloud"


@pytest.mark.parametrize("value", [0, 255, 60_000])
def test_large_values_are_in_the_table_alone(tmp_path, value):
    labels = of_classes([ClassLabel(value, "a < b & c", (1, 2, 3, 255))])
    with rasterio.open(tmp_path / "x.tif", "w", driver="GTiff", count=1, height=2, width=2, dtype="uint16"):
        pass
    write_categories(tmp_path / "x.tif", RasterDomain((2, 2), dtype=np.dtype("uint16"), metadata=labels))
    names, rows = read_by_gdal(tmp_path / "x.tif")
    assert rows == [[str(value), "a < b & c", "1", "2", "3", "255"]]
    assert len(names) == (value + 1 if value < 256 else 0)
