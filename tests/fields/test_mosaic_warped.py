"""Rasters on other grids as one map, against whole warps put together with NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.mosaic import Mosaic
from geotiffs import write_geotiff
from scattered import EAST, NORTH, RNG, ZONE33, holed, place, read, three
from warps import or_nan, warped_whole

__all__ = ["three"]  # a fixture


KINDS = {
    "bytes with nodata": ("uint8", {"nodata": 0}),
    "signed with nodata": ("int16", {"nodata": -9999}),
    "words without": ("uint16", {}),
    "floats with nodata": ("float32", {"nodata": -9999}),
    "floats without": ("float64", {}),
}


def alone(path, source, method):
    """Return a scene warped whole by a WarpedVRT, as float with NaN where it has nothing."""
    return or_nan(*warped_whole(path, source.domain, method))


@pytest.fixture(params=list(KINDS))
def two_zones(request, tmp_path):
    """Scenes of two UTM zones over one place, one of them with other pixels, and a third beside them."""
    dtype, options = KINDS[request.param]
    nodata = options.get("nodata", 0)
    one = write_geotiff(
        tmp_path / "one.tif",
        holed((2, 300, 260), dtype, nodata, 40),
        crs=ZONE33,
        transform=place(),
        **options,
    )
    x, y = Transformer.from_crs(ZONE33, "EPSG:32632", always_xy=True).transform(EAST + 1500, NORTH - 900)
    two = write_geotiff(
        tmp_path / "two.tif",
        holed((2, 310, 330), dtype, nodata, 90),
        crs="EPSG:32632",
        transform=Affine(9.3, 0, x, 0, -9.3, y),
        **options,
    )
    three = write_geotiff(
        tmp_path / "three.tif",
        holed((2, 200, 200), dtype, nodata, 30),
        crs=ZONE33,
        transform=place(-150.4, 33.3, 11.0),
        **options,
    )
    return [one, two, three]


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic"])
def test_scenes_of_two_zones_are_what_whole_warps_put_together_are(two_zones, method):
    source = Mosaic(two_zones, resampling=method)
    layers = [alone(path, source, method) for path in two_zones]
    expected = layers[0]
    for layer in layers[1:]:
        expected = np.where(np.isnan(expected), layer, expected)
    found = read(source)
    within = 1e-4 if source.domain.dtype.kind == "f" else 0  # the last bits
    np.testing.assert_allclose(found, expected, rtol=0, atol=within)
    assert np.isnan(found).any()
    assert all((~np.isnan(layer)).any() for layer in layers)
    for box in (Box(0, 1, 0, 1), Box(250, 262, 500, 530), Box(17, 301, 3, 400), Box(90, 91, 0, 500)):
        np.testing.assert_array_equal(read(source, box), found[:, *box.slices()])


def test_the_median_of_two_zones(two_zones):
    source = Mosaic(two_zones, order="median", resampling="nearest")
    layers = np.ma.masked_invalid([alone(path, source, "nearest") for path in two_zones])
    expected = np.ma.median(layers, axis=0).filled(np.nan)
    if source.domain.dtype.kind != "f":
        expected = np.rint(expected)
    np.testing.assert_array_equal(read(source), expected)


def test_by_default_integers_are_not_blended_and_floats_are(two_zones):
    source = Mosaic(two_zones)
    kind = "bilinear" if source.domain.dtype.kind == "f" else "nearest"
    np.testing.assert_array_equal(read(source), read(Mosaic(two_zones, resampling=kind)))


@pytest.mark.parametrize("angle", [0, 25])
def test_what_is_warped_lies_where_it_did(tmp_path, angle):
    """A ramp of coordinates, warped onto a grid that may be rotated, still has those of its place."""
    rows, cols = np.mgrid[:400, :400] + 0.5
    ramp = np.stack([EAST - 500 + 10 * cols, NORTH + 500 - 10 * rows])
    path = write_geotiff(tmp_path / "ramp.tif", ramp, crs=ZONE33, transform=place(-50, -50))
    x, y = Transformer.from_crs(ZONE33, "EPSG:32632", always_xy=True).transform(EAST + 1000, NORTH - 500)
    turn = Affine(10, 0, x, 0, -10, y) @ Affine.rotation(angle) if angle else Affine(10, 0, x, 0, -10, y)
    grid = gp.RasterDomain((120, 130), turn, "EPSG:32632")
    found = Mosaic([path], grid, resampling="bilinear").read(Box(0, 120, 0, 130))
    rows, cols = np.mgrid[:120, :130] + 0.5
    a, b, c, d, e, f = turn[:6]
    back = Transformer.from_crs("EPSG:32632", ZONE33, always_xy=True)
    expected = np.stack(back.transform(a * cols + b * rows + c, d * cols + e * rows + f))
    assert not np.isnan(found).any()
    assert np.abs(found - expected).max() < 0.002 * 10  # coordinates are placed to a thousandth of a pixel


def test_a_band_without_data_is_not_mixed_into_its_neighbours(tmp_path):
    array = np.full((2, 30, 30), 100, "int16")
    array[0, 10:15, 10:15] = -9999
    path = write_geotiff(tmp_path / "a.tif", array, crs=ZONE33, transform=place(0.4, 0.3), nodata=-9999)
    grid = gp.RasterDomain((30, 30), place(), ZONE33)
    found = read(Mosaic([path], grid, resampling="bilinear"))
    assert set(np.unique(found[~np.isnan(found)])) == {100}
    assert 9 <= np.isnan(found[0, 1:-1, 1:-1]).sum() <= 36
    assert not np.isnan(found[1, 1:-1, 1:-1]).any()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_masks_and_alpha_are_warped_along(tmp_path, dtype):
    array = RNG.integers(1, 99, (1, 40, 40)).astype(dtype)
    mask = np.zeros((40, 40), bool)
    mask[5:30, 8:33] = True
    masked = write_geotiff(tmp_path / "masked.tif", array, crs=ZONE33, transform=place(0.3, 0.2))
    with rasterio.open(masked, "r+") as dataset:
        dataset.write_mask(mask)
    alpha = np.stack([*array, *array, *array, np.where(mask, 255, 0).astype(dtype)])
    profile = {"photometric": "RGB", "alpha": "YES"}
    with_alpha = write_geotiff(
        tmp_path / "alpha.tif", alpha, crs=ZONE33, transform=place(0.3, 0.2), **profile
    )
    grid = gp.RasterDomain((40, 40), place(), ZONE33)
    for path in (masked, with_alpha) if dtype in ("uint8", "uint16") else (masked,):
        found = read(Mosaic([path], grid, resampling="nearest"))[0]
        np.testing.assert_array_equal(found, np.where(mask, array[0], np.nan))


def test_a_list_of_paths_is_a_mosaic_and_workers_give_the_same_bytes(two_zones, tmp_path):
    sizes = {"size": 64, "step": 48, "chunks": 128, "aggregation": "mode", "allow_gaps": True}
    alone = gp.reconstruct(two_zones, np.copy, tmp_path / "a.zarr", **sizes)
    shared = gp.reconstruct(two_zones, np.copy, tmp_path / "b.zarr", workers=2, **sizes)
    np.testing.assert_array_equal(alone.array[...], shared.array[...])
    source = Mosaic(two_zones)
    expected = read(source)
    found = np.where(alone.valid, np.asarray(alone.array[...], float), np.nan)
    np.testing.assert_array_equal(found, expected)
    assert alone.domain.transform == source.domain.transform


def test_bands_are_chosen_and_only_they_are_read(two_zones):
    source = Mosaic(two_zones)
    picked = source.select_bands([1])
    box = Box(40, 300, 20, 400)
    np.testing.assert_array_equal(read(picked, box), read(source, box)[[1]])
    assert picked.domain.shape[0] == 1


def test_what_cannot_be_warped_is_said(tmp_path):
    grid = gp.RasterDomain((20, 20), place(0.5, 0.5), ZONE33)
    wide = write_geotiff(tmp_path / "wide.tif", np.ones((1, 9, 9), "int64"), crs=ZONE33, transform=place())
    with pytest.raises(SourceError, match=r"wide\.tif .* GDAL warps int64 inexactly"):
        Mosaic([wide], grid)
    nowhere = gp.RasterField.from_array(np.ones((9, 9)), transform=place())
    with pytest.raises(SourceError, match=r"which CRS|a CRS is missing"):
        Mosaic([nowhere], grid)


def test_fields_in_memory_are_warped_beside_files(three):
    grid = gp.RasterDomain((40, 40), place(0.3, 0.3), ZONE33)
    held = []
    for path in three:
        with rasterio.open(path) as dataset:
            cells, transform, crs = dataset.read(), dataset.transform, dataset.crs.to_wkt()
            held.append(gp.RasterField.from_array(cells, transform=transform, crs=crs, nodata=dataset.nodata))
    box, files, arrays = Box.of_shape((40, 40)), Mosaic(three, grid), Mosaic([*held[:2], three[2]], grid)
    found, wanted = arrays.read(box), files.read(box)
    np.testing.assert_array_equal(arrays.valid(box, found), files.valid(box, wanted))
    np.testing.assert_array_equal(found, wanted)
