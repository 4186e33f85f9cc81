"""Zarr stores as sources: ours, and other people's."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import numpy as np
import pytest
import zarr
from affine import Affine

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.zarr_field import is_zarr, stored_array, zarr_source

IMAGE = np.random.default_rng(0).integers(1, 99, (2, 60, 80)).astype("int16")
TRANSFORM = Affine(10, 0, 5e5, 0, -10, 4.6e6)
WHOLE = Box(0, 60, 0, 80)


@pytest.fixture
def ours(tmp_path):
    field = gp.RasterField.from_array(
        IMAGE, transform=TRANSFORM, crs="EPSG:32633", nodata=7, band_names=("red", "nir")
    )
    gp.reconstruct(field, lambda x: x, tmp_path / "ours.zarr", size=16, step=16, window="boxcar", chunks=20)
    return tmp_path / "ours.zarr"


def test_our_own_store_comes_back_with_everything(ours):
    source = zarr_source(ours)
    assert source.domain.shape == (2, 60, 80)
    assert source.domain.transform == TRANSFORM
    assert "UTM zone 33N" in source.domain.crs
    assert source.domain.nodata == 7
    assert source.domain.band_names == ("red", "nir")
    assert source.block_shape == (20, 20)
    assert source.name == str(ours)
    pixels = source.read(Box(5, 25, 30, 80))
    np.testing.assert_array_equal(pixels, IMAGE[:, 5:25, 30:80])
    np.testing.assert_array_equal(source.valid(Box(5, 25, 30, 80), pixels), pixels != 7)


def test_a_path_to_a_store_is_a_field(ours):
    assert is_zarr(ours)
    np.testing.assert_array_equal(gp.RasterField(ours).source.read(WHOLE), IMAGE)
    result = gp.reconstruct(str(ours), lambda x: x * 2, size=16)
    assert result.domain.crs == zarr_source(ours).domain.crs
    np.testing.assert_array_equal(result.array, np.where(IMAGE == 7, 7, IMAGE * 2))


@pytest.mark.parametrize("nodata", [np.nan, -9999.0])
def test_nodata_of_floats_comes_back(tmp_path, nodata):
    image = np.where(IMAGE < 50, IMAGE, nodata).astype("float32")
    field = gp.RasterField.from_array(image, nodata=nodata)
    gp.reconstruct(field, lambda x: x, tmp_path / "x.zarr", size=16, nodata="inherit")
    source = zarr_source(tmp_path / "x.zarr")
    np.testing.assert_equal(source.domain.nodata, nodata)
    np.testing.assert_array_equal(np.isnan(source.read(WHOLE)), IMAGE >= 50)


def test_layers_are_read_by_name(ours):
    group = zarr.open_group(ours, mode="r+")
    group.create_array("count", shape=(60, 80), dtype="uint16", chunks=(20, 20))[:] = 3
    source = zarr_source(ours, "count")
    assert source.domain.shape == (60, 80)
    assert source.domain.transform == TRANSFORM
    assert (source.read(WHOLE) == 3).all()
    with pytest.raises(
        SourceError, match=r"has no array 'spread' to read as a raster; its arrays: count, data"
    ):
        zarr_source(ours, "spread")


def damage(store, how):
    chunk = next(path for path in sorted((store / "data" / "c").rglob("*")) if path.is_file())
    content = chunk.read_bytes()
    if how == "missing":
        chunk.unlink()
    elif how == "empty":
        chunk.write_bytes(b"")
    elif how == "torn":
        chunk.write_bytes(content[: len(content) // 2])
    else:
        chunk.write_bytes(bytes(255 - byte for byte in content))


@pytest.mark.parametrize("codec", ["zstd", "gzip-5", "blosc-lz4", "blosc-zstd-1", "none"])
@pytest.mark.parametrize("how", ["empty", "torn", "flipped"])
def test_a_damaged_chunk_is_an_error_that_names_store_and_window(tmp_path, codec, how):
    if (codec, how) == ("none", "flipped"):
        pytest.skip("nothing to tell it by")
    store = tmp_path / "it is.zarr"
    gp.reconstruct(IMAGE, lambda x: x, store, size=16, chunks=20, storage=gp.ZarrStorage(codec))
    damage(store, how)
    with pytest.raises(SourceError, match=r"it is.zarr.*rows 0:60, columns 0:80.*a chunk is damaged"):
        gp.reconstruct(store, lambda x: x, size=16)
    source = zarr_source(store)
    np.testing.assert_array_equal(source.read(Box(40, 60, 60, 80)), IMAGE[:, 40:, 60:])  # others are not


def test_a_missing_chunk_is_fill(ours):
    damage(ours, "missing")
    pixels = zarr_source(ours).read(WHOLE)
    assert (pixels[0, :20, :20] == 7).all()
    np.testing.assert_array_equal(pixels[1], IMAGE[1])


@pytest.mark.parametrize("metadata", ["", "{", '{"zarr_format": 3, "node_type": "array"}'])
def test_damaged_metadata_is_an_error_that_names_the_store(tmp_path, metadata):
    place = tmp_path / "bad.zarr"
    place.mkdir()
    (place / "zarr.json").write_text(metadata)
    with pytest.raises(SourceError, match=r"cannot open .*bad.zarr as a zarr store"):
        gp.plan(place)


def test_folders_that_are_no_store(tmp_path):
    assert not is_zarr(tmp_path)
    with pytest.raises(SourceError, match="as a raster"):
        gp.plan(tmp_path)
    zarr.create_group(tmp_path / "empty.zarr")
    with pytest.raises(SourceError, match="none of two or more dimensions"):
        gp.plan(tmp_path / "empty.zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_a_bare_array_needs_no_group(tmp_path, version):
    place = tmp_path / "bare.zarr"
    array = zarr.create_array(place, shape=(60, 80), chunks=(7, 9), dtype="float64", zarr_format=version)
    array[:] = IMAGE[0]
    source = zarr_source(place)
    assert source.domain.transform == Affine.identity()
    assert source.block_shape == (7, 9)
    np.testing.assert_array_equal(source.read(WHOLE)[0], IMAGE[0])


def test_leading_dimensions_without_names_are_numbered(tmp_path):
    cells = np.arange(3 * 2 * 4 * 5, dtype="u1").reshape(3, 2, 4, 5)
    zarr.create_array(tmp_path / "x.zarr", data=cells, chunks=(2, 1, 3, 2))
    source = zarr_source(tmp_path / "x.zarr")
    assert [(one.name, one.length) for one in source.domain.leading] == [("dim_0", 3), ("dim_1", 2)]
    np.testing.assert_array_equal(source.read(Box(1, 4, 0, 3)), cells.reshape(6, 4, 5)[:, 1:4, 0:3])
    assert stored_array(source).shape == (3, 2, 4, 5)


def test_a_store_written_by_xarray_comes_back(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("rioxarray")
    coords = {"y": 4.6e6 - 5 - 10.0 * np.arange(60), "x": 5e5 + 5 + 10.0 * np.arange(80)}
    array = xarray.DataArray(IMAGE[0].astype("float32"), coords, ("y", "x"), name="ndvi")
    array = array.where(array > 9).rio.write_crs("EPSG:32633").rio.write_transform(TRANSFORM)
    array.rio.write_nodata(-1, encoded=True).to_dataset().to_zarr(
        tmp_path / "x.zarr", zarr_format=3, consolidated=False
    )
    source = zarr_source(tmp_path / "x.zarr")
    assert source.domain.transform == TRANSFORM
    assert "UTM zone 33N" in source.domain.crs
    assert source.domain.nodata == -1
    np.testing.assert_array_equal(np.isnan(source.read(WHOLE)[0]), IMAGE[0] <= 9)


@pytest.mark.parametrize(
    ("attributes", "transform", "crs", "nodata"),
    [
        ({}, Affine.identity(), None, None),
        (
            {"spatial:transform": list(TRANSFORM[:6]), "proj:code": "EPSG:32633"},
            TRANSFORM,
            "EPSG:32633",
            None,
        ),
        ({"_FillValue": 5}, Affine.identity(), None, 5),
        ({"nodata": -1.5}, Affine.identity(), None, -1.5),
        ({"_FillValue": "NaN"}, Affine.identity(), None, np.nan),
        ({"_FillValue": base64.b64encode(struct.pack("<d", 2.5)).decode()}, Affine.identity(), None, 2.5),
        ({"_FillValue": "rubbish"}, Affine.identity(), None, None),
    ],
)
def test_what_the_attributes_of_a_group_say(tmp_path, attributes, transform, crs, nodata):
    group = zarr.create_group(tmp_path / "x.zarr", attributes=attributes)
    group.create_array("only", shape=(6, 8), chunks=(6, 8), dtype="float32")
    domain = zarr_source(tmp_path / "x.zarr").domain
    assert (domain.transform, domain.crs) == (transform, crs)
    np.testing.assert_equal(domain.nodata, nodata)


@pytest.mark.parametrize("text", ["1 2 3", "a b c d e f", "nan 10 0 0 0 -10"])
def test_a_transform_that_is_none_is_refused(tmp_path, text):
    group = zarr.create_group(tmp_path / "x.zarr", attributes={"GeoTransform": text})
    group.create_array("only", shape=(6, 8), chunks=(6, 8), dtype="float32")
    with pytest.raises(SourceError, match="x.zarr cannot be used"):
        zarr_source(tmp_path / "x.zarr")


def test_identity_changes_when_the_store_is_rewritten(ours):
    first = zarr_source(ours).identity()
    assert first == zarr_source(ours).identity()
    chunk = next(file for file in Path(ours / "data" / "c").rglob("*") if file.is_file())
    chunk.write_bytes(chunk.read_bytes() + b"0")
    assert first != zarr_source(ours).identity()
