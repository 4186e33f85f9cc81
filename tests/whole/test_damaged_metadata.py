"""Metadata that does not fit together, or that libraries die on, is an error that names the raster."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import zarr

import geopatcher as gp
from geopatcher.errors import SourceError

VRT = (
    "<VRTDataset rasterXSize='8' rasterYSize='8'><GeoTransform>5e5, 10, 0, 5e6, 0, -10</GeoTransform>"
    "<VRTRasterBand dataType='Float32' band='1'>{}</VRTRasterBand></VRTDataset>"
)
SOURCE = "<SourceFilename relativeToVRT='1'>{}</SourceFilename><SourceBand>1</SourceBand>"


@pytest.fixture
def store(tmp_path):
    """A zarr v2 store of 2 x 8 x 8, with a mask and coordinates."""
    group = zarr.open_group(tmp_path / "scene.zarr", mode="w", zarr_format=2)
    for name, shape in {"data": (2, 8, 8), "valid": (2, 8, 8), "y": (8,), "x": (8,)}.items():
        dtype = {"data": "float32", "valid": "uint8"}.get(name, "float64")
        array = group.create_array(name, shape=shape, chunks=shape, dtype=dtype)
        array[...] = 1 if len(shape) == 3 else np.arange(8) * 10.0
        array.attrs["_ARRAY_DIMENSIONS"] = ["band", "y", "x"][-len(shape) :] if len(shape) == 3 else [name]
    group["data"].attrs["ancillary_variables"] = "valid"
    flags = {"standard_name": "status_flag", "flag_values": [0, 1], "flag_meanings": "missing valid"}
    group["valid"].attrs.update(flags)
    return tmp_path / "scene.zarr"


def change(store, name, **entries):
    path = store / name / ".zarray"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_the_store_is_read_where_nothing_is_damaged(store):
    assert gp.reconstruct(store, np.copy, size=4).array.sum() == 128


@pytest.mark.parametrize("shape", [[2, 8, 5], [2, 4, 8], [1, 8, 8], [2, 8, 0]])
def test_a_mask_of_another_shape_is_refused(store, shape):
    change(store, "valid", shape=shape)
    with pytest.raises(
        SourceError, match=r"scene\.zarr cannot be used: valid, which says where .* \(2, 8, 8\)"
    ):
        gp.plan(store)


@pytest.mark.parametrize("name", ["data", "valid"])
def test_chunks_that_hold_nothing_are_refused(store, name):
    change(store, name, chunks=[2, 8, 0])
    refused = r"scene\.zarr.*( \(2, 8, 0\), and hold nothing|a chunk is damaged)"
    with pytest.raises(SourceError, match=refused):
        gp.reconstruct(store, np.copy, size=4)


def test_coordinates_that_cannot_be_decoded_are_named(store):
    (store / "y" / "0").write_bytes(b"\xff" * 40)
    with pytest.raises(SourceError, match=r"scene\.zarr cannot be used: the array /y is damaged"):
        gp.plan(store)


def test_attributes_that_are_no_object_are_refused(store):
    (store / "y" / ".zattrs").write_text("[]")
    with pytest.raises(SourceError, match=r"scene\.zarr (cannot be used|as a zarr store)"):
        gp.plan(store)


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ("[" * 100_000, "RecursionError"),
        ('{"features": [{"properties": {"row": 1%s, "col": 0}}]}' % ("0" * 400), "OverflowError|KeyError"),
    ],
    ids=["deep", "large"],
)
def test_control_points_that_cannot_be_read_are_refused(store, points, why):
    group = zarr.open_group(store, mode="r+")
    group.create_array("spatial_ref", shape=(), dtype="int32").attrs["gcps"] = points
    group["data"].attrs["grid_mapping"] = "spatial_ref"
    with pytest.raises(SourceError, match=rf"scene\.zarr.*no GeoJSON of points with row and col: ({why})"):
        gp.plan(store)


@pytest.fixture
def vrt(tmp_path):
    profile = {"driver": "GTiff", "height": 8, "width": 8, "count": 1, "dtype": "float32"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
        file.write(np.full((1, 8, 8), 5, "float32"))

    def write(source, name="a.tif"):
        (tmp_path / "scene.vrt").write_bytes(VRT.format(source.format(SOURCE.format(name))).encode("latin-1"))
        return tmp_path / "scene.vrt"

    return write


def test_a_filter_without_coefficients_on_which_gdal_dies_is_refused(vrt):
    path = vrt("<KernelFilteredSource>{}</KernelFilteredSource>")
    with pytest.raises(SourceError, match=r"scene\.vrt has a KernelFilteredSource without coefficients"):
        gp.plan(path)


def test_a_filter_with_coefficients_is_read(vrt):
    kernel = "<Kernel normalized='1'><Size>3</Size><Coefs>1 1 1 1 1 1 1 1 1</Coefs></Kernel>"
    path = vrt("<KernelFilteredSource>{}" + kernel + "</KernelFilteredSource>")
    assert gp.reconstruct(path, np.copy, size=4).array[0, 4, 4] == 5


def test_a_message_of_gdal_that_is_no_text_is_an_error_that_names_the_raster(vrt):
    path = vrt("<SimpleSource>{}</SimpleSource>", name="caf\xe9.tif")
    with pytest.raises(SourceError, match=r"scene\.vrt"):
        gp.reconstruct(path, np.copy, size=4)


@pytest.mark.parametrize("ending", [".zarr", ".tif"])
def test_a_source_that_cannot_be_copied_is_named_and_not_the_target(vrt, tmp_path, ending):
    path = vrt("<SimpleSource>{}</SimpleSource>", name="gone.tif")
    with pytest.raises(SourceError, match=r"cannot read .*scene\.vrt, rows 0:8, columns 0:8: .*gone\.tif"):
        gp.export(path, tmp_path / f"copy{ending}")
    assert not (tmp_path / f"copy{ending}").exists()
