"""Scale and offset applied: by hand, by xarray, scene by scene, warped or not."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.scaled import Scaled

IMAGE = np.random.default_rng(0).integers(0, 10_000, (2, 60, 80)).astype("uint16")
IMAGE[:, 10:20, 30:40] = 0
WHOLE = Box(0, 60, 0, 80)
PLACE = Affine(10, 0, 500_000, 0, -10, 5_300_000)


def write(path, image=IMAGE, scales=(0.0001, 0.5), offsets=(-0.1, 3.0), place=PLACE, nodata=0):
    profile = {"driver": "GTiff", "count": len(image), "height": image.shape[1], "width": image.shape[2]}
    options = {"dtype": image.dtype, "nodata": nodata, "crs": "EPSG:32633", "transform": place}
    with rasterio.open(path, "w", **profile, **options) as dataset:
        dataset.write(image)
        dataset.scales, dataset.offsets = scales, offsets
        dataset.descriptions = ("red", "nir")
    return path


def by_hand(image=IMAGE, scales=(0.0001, 0.5), offsets=(-0.1, 3.0)):
    wanted = image * np.reshape(scales, (2, 1, 1)) + np.reshape(offsets, (2, 1, 1))
    return np.where(image == 0, np.nan, wanted).astype("float32")


@pytest.fixture
def scene(tmp_path):
    return write(tmp_path / "scene.tif")


def test_each_band_has_its_own_and_nodata_is_nan(scene):
    source = Scaled(RasterioSource(str(scene)))
    np.testing.assert_array_equal(source.read(WHOLE), by_hand())
    assert source.valid(WHOLE, source.read(WHOLE)) is None
    assert source.domain.dtype == np.float32
    assert not source.domain.metadata.scaled
    assert np.isnan(source.domain.nodata)
    assert source.files() == (scene,)
    assert source.identity() != RasterioSource(str(scene)).identity()
    np.testing.assert_array_equal(source.select_bands([1]).read(WHOLE), by_hand()[1:])


@pytest.mark.parametrize("workers", [None, 2])
def test_a_run_has_floats_and_says_no_scale_of_them(scene, tmp_path, workers):
    result = gp.reconstruct(
        scene, np.copy, tmp_path / "x.tif", size=16, window="boxcar", scale_offset=True, workers=workers
    )
    np.testing.assert_array_equal(result.array, by_hand())
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert (dataset.scales, dataset.offsets) == ((1.0, 1.0), (0.0, 0.0))


def test_without_it_values_are_as_stored_and_the_scale_is_kept(scene, tmp_path):
    result = gp.reconstruct(scene, np.copy, tmp_path / "x.tif", size=16, window="boxcar")
    np.testing.assert_array_equal(result.array, IMAGE)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert (dataset.scales, dataset.offsets) == ((0.0001, 0.5), (-0.1, 3.0))


@pytest.mark.parametrize("warped", [False, True])
def test_scenes_of_a_mosaic_have_their_own(tmp_path, warped):
    older = write(tmp_path / "older.tif", scales=(1e-4, 1e-4), offsets=(0.0, 0.0))
    newer = write(
        tmp_path / "newer.tif", np.where(IMAGE, IMAGE + 1000, 0).astype("uint16"), (1e-4, 1e-4), (-0.1, -0.1)
    )
    with pytest.raises(SourceError, match="are not of one kind"):
        gp.reconstruct([older, newer], np.copy, size=16)
    grid = {"resolution": 20} if warped else {}
    one = gp.reconstruct([older], np.copy, size=16, scale_offset=True, window="boxcar", **grid).array
    other = gp.reconstruct([newer], np.copy, size=16, scale_offset=True, window="boxcar", **grid).array
    both = gp.reconstruct([older, newer], np.copy, size=16, scale_offset=True, window="boxcar", **grid).array
    np.testing.assert_allclose(one, other, atol=2e-4)
    np.testing.assert_array_equal(both, np.where(np.isnan(one), other, one))
    if not warped:
        np.testing.assert_array_equal(one, by_hand(scales=(1e-4, 1e-4), offsets=(0.0, 0.0)))


def test_warped_it_is_what_gdal_warps_and_scales(scene):
    raw = gp.reconstruct(scene, np.copy, size=16, window="boxcar", resolution=20, resampling="nearest").array
    found = gp.reconstruct(
        scene, np.copy, size=16, window="boxcar", resolution=20, resampling="nearest", scale_offset=True
    ).array
    np.testing.assert_array_equal(found, by_hand(raw))


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [("uint8", "f4"), ("int16", "f4"), ("int32", "f8"), ("float32", "f4"), ("float64", "f8"), ("bool", "f4")],
)
def test_the_dtype_holds_what_is_stored(dtype, wanted):
    source = Scaled(ArraySource.of(np.ones((1, 3, 4), dtype)))
    assert source.read(Box(0, 3, 0, 4)).dtype == source.domain.dtype == np.dtype(wanted)


def test_complex_numbers_are_refused():
    with pytest.raises(SourceError, match="holds complex64, to which no scale and offset is applied"):
        gp.reconstruct(np.ones((3, 4), "complex64"), np.copy, size=2, scale_offset=True)


def test_arrays_in_memory_are_shared_and_read_in_place():
    image = IMAGE.astype("float32")
    source = Scaled(ArraySource.of(image))
    assert source.held().array is image
    assert source.holding(source.held()).read(WHOLE).tobytes() == source.read(WHOLE).tobytes()
