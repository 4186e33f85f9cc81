"""Where results lie: georeference, bands and nodata arrive in every kind of target."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine

import geopatcher as gp
import oracle


def same(patch):
    return patch


@pytest.mark.parametrize("crs", ["EPSG:32633", None])
@pytest.mark.parametrize(
    "transform",
    [Affine(10, 0, 5e5, 0, -10, 4.6e6), Affine(8, 6, 5e5, 6, -8, 4.6e6), Affine(10, 0, 5e5, 0, 10, 4.6e6)],
    ids=["north up", "rotated", "south up"],
)
@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_georeference_bands_and_nodata_arrive(tmp_path, crs, transform, name):
    source = tmp_path / "source.tif"
    profile = {"driver": "GTiff", "height": 40, "width": 50, "count": 2, "dtype": "int16", "nodata": -1}
    with rasterio.open(source, "w", crs=crs, transform=transform, **profile) as dataset:
        dataset.write(np.arange(4000, dtype="int16").reshape(2, 40, 50))
        dataset.descriptions = ("red", "nir")
        dataset.units = ("m", "m")
    result = gp.reconstruct(source, same, tmp_path / name, size=16)
    assert result.path == tmp_path / name
    assert result.domain.transform == transform
    if name == "x.tif":
        with rasterio.open(tmp_path / name) as dataset:
            assert dataset.transform == transform
            assert dataset.crs == (None if crs is None else rasterio.CRS.from_string(crs))
            assert dataset.nodata == -1
            assert dataset.descriptions == ("red", "nir")
            assert dataset.units == ("m", "m")
    else:
        array = result.to_xarray()
        assert array.rio.transform() == transform
        assert (array.rio.crs is None) == (crs is None)
        assert array.rio.nodata == -1
        assert array.attrs["band_names"] == ["red", "nir"]
        assert array.attrs["units"] == "m"


def test_no_warning_of_a_missing_georeference_reaches_the_user(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("x.tif", "x.zarr"):
            # Large enough for overview levels.
            gp.reconstruct(np.ones((600, 700), "uint8"), same, tmp_path / name)
        result = gp.reconstruct(tmp_path / "x.tif", same, tmp_path / "y.tif")
        assert (result.array[...] == 1).all()


def test_a_result_in_zarr_is_a_source_again(tmp_path):
    image = np.random.default_rng(0).random((2, 40, 50))
    field = gp.RasterField.from_array(image, transform=Affine(10, 0, 7, 0, -10, 9), crs="EPSG:32633")
    gp.reconstruct(field, same, tmp_path / "x.zarr", size=16)
    again = gp.reconstruct(tmp_path / "x.zarr", same, tmp_path / "y.tif", size=16)
    assert again.domain.transform == field.domain.transform
    assert again.domain.band_names == ("b1", "b2")
    assert oracle.ulps(np.asarray(again.array[...]), image) <= 8


def test_shards_are_written_whole(tmp_path):
    image = np.random.default_rng(0).random((2, 200, 300))
    result = gp.reconstruct(
        image, same, tmp_path / "x.zarr", size=32, chunks=32, storage=gp.ZarrStorage(shards=128)
    )
    assert oracle.ulps(result.array[:], image) <= 4
    stored = zarr.open_group(tmp_path / "x.zarr", mode="r")["data"]
    assert (stored.shards, stored.chunks) == ((1, 128, 128), (1, 32, 32))
    assert len(list((tmp_path / "x.zarr" / "data" / "c").rglob("*/*/*"))) >= 2 * 2 * 3
    with pytest.raises(ValueError, match="shards"):
        gp.reconstruct(
            image, same, tmp_path / "y.zarr", size=32, chunks=32, storage=gp.ZarrStorage(shards=100)
        )


def test_the_patchers_four_axes_are_used_when_given():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(8), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
    )
    result = gp.reconstruct(np.ones((20, 20)), same, patcher=patcher)
    assert result.plan.n_patches == 9
    assert patcher.reconstruct(np.ones((20, 20)), same).plan == result.plan
