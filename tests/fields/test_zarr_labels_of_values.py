"""What the cells of other people's stores mean: missing ones, scaled ones, and rare dtypes."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import zarr

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields import XarrayField
from geopatcher.fields.zarr_field import zarr_source
from labelled_stores import QUIET, opened, read_whole, scene, stored

xarray = pytest.importorskip("xarray")
pytestmark = QUIET


def test_more_than_one_value_may_stand_for_missing(tmp_path):
    cells = np.arange(20, dtype="i2").reshape(4, 5)
    group = zarr.create_group(tmp_path / "a.zarr")
    array = group.create_array("a", data=cells, dimension_names=("y", "x"))
    array.attrs.update({"_FillValue": 3, "missing_value": [7, 3, 99_999]})
    source = zarr_source(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read_whole(source)[0], opened(tmp_path / "a.zarr", "a").values)
    assert np.isnan(read_whole(source)).sum() == 2


def test_in_version_3_what_fills_chunks_is_not_missing(tmp_path):
    for version, missing in ((2, 4), (3, 0)):
        place = tmp_path / f"{version}.zarr"
        group = zarr.create_group(place, zarr_format=version)
        named = {
            2: {"attributes": {"_ARRAY_DIMENSIONS": ["y", "x"]}},
            3: {"dimension_names": ("y", "x")},
        }[version]
        array = group.create_array("a", shape=(4, 5), chunks=(4, 5), dtype="i2", fill_value=1, **named)
        array[:] = np.arange(20).reshape(4, 5) // 4
        source = zarr_source(place)
        np.testing.assert_array_equal(read_whole(source)[0], opened(place, "a").values)
        assert np.isnan(read_whole(source)).sum() == missing


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_unsigned_cells_in_signed_arrays(tmp_path, zarr_format):
    array = scene((12, 17), "uint8") + np.uint8(120)
    encoding = {"scene": {"dtype": "i1", "_Unsigned": "true", "_FillValue": 200}}
    place = stored(array, tmp_path / "a.zarr", zarr_format=zarr_format, encoding=encoding)
    source = zarr_source(place)
    assert source.domain.dtype == np.uint8
    np.testing.assert_array_equal(read_whole(source)[0], opened(place).values)


def test_values_are_those_stored_and_the_scale_goes_along(tmp_path):
    array = scene((12, 17), "float64") / 10
    array.attrs |= {"units": "1", "sensor": "S2", "odd": None, "flags": [1, 2]}
    place = stored(
        array,
        tmp_path / "a.zarr",
        encoding={"scene": {"dtype": "i2", "scale_factor": 0.1, "add_offset": 5.0, "_FillValue": -999}},
    )
    source = zarr_source(place)
    metadata = source.domain.metadata
    assert (metadata.bands[0].scale, metadata.bands[0].offset) == (0.1, 5.0)
    assert dict(metadata.tags) == {"sensor": "S2", "flags": (1, 2)}
    assert source.domain.units == ("1",)
    np.testing.assert_allclose(read_whole(source)[0] * 0.1 + 5, array, atol=0.051)
    gp.export(place, tmp_path / "e.tif")
    with rasterio.open(tmp_path / "e.tif") as dataset:
        assert (dataset.scales, dataset.offsets, dataset.units) == ((0.1,), (5.0,), ("1",))
        assert (dataset.tags()["sensor"], dataset.tags()["flags"]) == ("S2", "[1, 2]")
    assert not XarrayField(opened(place)).domain.metadata.scaled  # xarray has applied it


@pytest.mark.parametrize("dtype", ["bool", "float16", "uint64", "complex64"])
def test_rare_dtypes_come_as_they_are(tmp_path, dtype):
    cells = scene((12, 17)).values.astype(dtype)
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("a", data=cells, dimension_names=("y", "x"))
    source = zarr_source(tmp_path / "a.zarr")
    assert source.domain.dtype == cells.dtype
    np.testing.assert_array_equal(source.read(Box(0, 12, 0, 17))[0], cells)


def test_texts_are_no_raster(tmp_path):
    data = xarray.DataArray(np.array([["a", "b"], ["c", "d"]]), dims=("y", "x"), name="scene")
    with pytest.raises(TypeError, match="a raster holds numbers, and this array holds <U1 values"):
        XarrayField(data)
    with pytest.raises(SourceError, match=r"a.zarr cannot be used: a raster holds numbers"):
        zarr_source(stored(data, tmp_path / "a.zarr"))
