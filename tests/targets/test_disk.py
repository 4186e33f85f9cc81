from __future__ import annotations

import numpy as np
import pytest
import rasterio
import zarr

import geopatcher as gp
from doubling import names
from geopatcher.errors import TargetExistsError

IMAGE = np.random.default_rng(0).random((2, 40, 50)).astype("float32")


def run(target, **options):
    return gp.reconstruct(IMAGE, np.copy, target, size=16, chunks=16, **options)


def test_layers_are_arrays_of_a_store_and_files_beside_a_geotiff(tmp_path):
    stored = run(tmp_path / "x.zarr", layers=("weight", "count"))
    assert set(zarr.open_group(tmp_path / "x.zarr", mode="r").array_keys()) >= {"data", "weight", "count"}
    run(tmp_path / "y.tif", layers=("weight", "count"))
    for name in ("weight", "count"):
        with rasterio.open(tmp_path / f"y.{name}.tif") as dataset:
            np.testing.assert_array_equal(dataset.read(1), stored.layers[name][...])
    assert {name for name in names(tmp_path) if "partial" in name or name.endswith(".lock")} == set()


def test_a_geotiff_is_a_cog_with_the_options_that_were_asked_for(tmp_path):
    run(tmp_path / "x.tif", storage=gp.CogStorage(compress="lzw", blocksize=128))
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.compression.name.lower() == "lzw"
        assert dataset.block_shapes == [(128, 128)] * 2
        np.testing.assert_allclose(dataset.read(), IMAGE, rtol=1e-6)


def test_the_file_of_a_layer_is_not_written_over_unless_that_is_said(tmp_path):
    (tmp_path / "x.weight.tif").write_text("mine")
    with pytest.raises(TargetExistsError, match=r"x\.weight\.tif, where the layer 'weight' goes, exists"):
        run(tmp_path / "x.tif", layers=("weight",))
    assert (tmp_path / "x.weight.tif").read_text() == "mine"
    run(tmp_path / "x.tif", layers=("weight",), overwrite=True)
    with rasterio.open(tmp_path / "x.weight.tif") as dataset:
        assert dataset.shape == (40, 50)


def test_a_folder_is_never_replaced_by_a_file(tmp_path):
    (tmp_path / "x.tif").mkdir()
    (tmp_path / "x.tif" / "mine").touch()
    with pytest.raises(
        TargetExistsError, match=r"x\.tif exists and is a folder, which a \.tif never replaces"
    ):
        run(tmp_path / "x.tif", overwrite=True)
    assert names(tmp_path / "x.tif") == ["mine"]


def test_cells_that_are_missing_in_some_bands_only_have_a_mask_beside_a_geotiff(tmp_path):
    image = np.ones((2, 40, 50), "uint8")
    image[0, :5], image[:, 5:8] = 9, 9
    field = gp.RasterField.from_array(image, nodata=9)
    gp.reconstruct(field, lambda x: np.ma.array(x + 8, mask=x == 9), tmp_path / "x.tif", size=16, nodata=None)
    with rasterio.open(tmp_path / "x.valid.tif") as dataset:
        np.testing.assert_array_equal(dataset.read() > 0, image == 1)
