"""What overhangs is filled with a value, and operators that look around lose no frame."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

import geopatcher as gp
import oracle
from geopatcher.errors import SourceError
from geopatcher.patching.samplers.explicit import SpatialExplicit

IMAGE = np.random.default_rng(0).random((2, 50, 70), "f4") + 1


def sums3x3(pixels):
    """The sum of each cell and its eight neighbours; what is beyond the edge is 0."""
    big = np.pad(pixels, ((0, 0), (1, 1), (1, 1)))
    height, width = pixels.shape[-2:]
    return sum(big[:, row : row + height, col : col + width] for row in range(3) for col in range(3))


def stored(tmp_path, image, nodata=None, kind="tif"):
    if kind == "array":
        return gp.RasterField.from_array(image, nodata=nodata)
    path = tmp_path / f"s.{kind}"
    if kind == "zarr":
        gp.export(gp.RasterField.from_array(image, nodata=nodata), path)
        return path
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(image),
        height=image.shape[1],
        width=image.shape[2],
        dtype=image.dtype,
        nodata=nodata,
        transform=rasterio.transform.from_origin(5e5, 4e6, 10, 10),
    ) as out:
        out.write(image)
    return path


def haloed(margin=4, inner=16):
    """Patches of which the margin is looked at and only the middle counts: the result is exact everywhere."""

    def middle(geometry):
        weights = np.zeros(geometry.size)
        weights[margin:-margin, margin:-margin] = 1
        return weights

    corners = [
        (row - margin, col - margin)
        for row in range(0, IMAGE.shape[1], inner)
        for col in range(0, IMAGE.shape[2], inner)
    ]
    return gp.SpatialPatcher(
        gp.SpatialRectangular(inner + 2 * margin, boundary="pad"),
        SpatialExplicit(corners),
        gp.SpatialCustom(middle),
        gp.SpatialOverlapAdd(),
    )


@pytest.mark.parametrize("kind", ["array", "tif", "zarr"])
@pytest.mark.parametrize("nodata", [None, -9999.0, np.nan])
@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
def test_a_neighbourhood_is_that_of_the_whole_raster(tmp_path, kind, nodata, target):
    source = stored(tmp_path, IMAGE, nodata, kind)
    place = None if target is None else tmp_path / target
    truth = sums3x3(IMAGE)
    result = gp.reconstruct(source, sums3x3, place, patcher=haloed(), chunks=16)
    np.testing.assert_allclose(result.array[...], truth, rtol=1e-6)
    one = gp.reconstruct(source, sums3x3, size=80, step=80, boundary="pad", window="boxcar")
    np.testing.assert_allclose(one.array, truth, rtol=1e-6)


def test_it_is_on_workers_too(tmp_path):
    source = stored(tmp_path, IMAGE, -9999.0)
    result = gp.reconstruct(source, sums3x3, patcher=haloed(), chunks=16, workers=2)
    np.testing.assert_allclose(result.array, sums3x3(IMAGE), rtol=1e-6)


@pytest.mark.parametrize("kind", ["array", "tif", "zarr"])
def test_only_what_is_missing_is_nan(tmp_path, kind):
    image = IMAGE.copy()
    image[:, 20, 30] = image[:, 49, 69] = -9999
    lowest = []

    def operator(pixels):
        lowest.append(np.nanmin(pixels))
        return sums3x3(pixels)

    result = gp.reconstruct(stored(tmp_path, image, -9999.0, kind), operator, patcher=haloed(), chunks=16)
    truth = sums3x3(np.where(image == -9999, np.nan, image))
    assert np.isnan(truth).sum() == 2 * (9 + 4)
    np.testing.assert_allclose(result.array, truth, rtol=1e-6)
    assert min(lowest) == 0


def test_every_way_to_a_patch_fills_alike(tmp_path):
    xarray = pytest.importorskip("xarray")
    image = IMAGE.copy()
    image[:, 45, 65] = -9999
    wanted = np.pad(np.where(image == -9999, np.nan, image)[:, 40:, 60:], ((0, 0), (0, 10), (0, 10)))
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(20, boundary="pad"),
        gp.SpatialRegularStride(20),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
    )
    path = stored(tmp_path, image, -9999.0)
    labelled = xarray.DataArray(image, dims=("band", "y", "x"), attrs={"_FillValue": -9999.0})
    cache = gp.PatchCache(tmp_path / "kept")
    seen, applied = [], []
    for source in (path, gp.RasterField.from_array(image, nodata=-9999.0), labelled):
        seen.append(patcher.patch_at(source, (40, 60)).data)
        seen += [list(patcher.split(source, cache=kept))[-1].data for kept in (None, cache, cache)]
        seen += [gp.IndexedPatchView(patcher, source, preload=preload)[-1].data for preload in (False, True)]
        seen.append(patcher.to_delayed(source)[-1].compute(scheduler="synchronous").data)
        statistics = gp.SpatialMeanStd()
        patcher.two_pass(source, reduce_with=statistics, apply=lambda x, _: (applied.append(x.copy()), x)[1])
        seen.append(applied[-1])
    assert len(seen) == 3 * 8
    for pixels in seen:
        np.testing.assert_array_equal(np.asarray(pixels), wanted)


def test_padded_cells_count_nowhere():
    result = gp.reconstruct(
        IMAGE, lambda x: np.full(x.shape, 1.0), size=16, step=12, boundary="pad", layers=("count",)
    )
    depth = np.zeros((90, 90), int)
    for row in oracle.starts(50, 16, 12, "pad"):
        for col in oracle.starts(70, 16, 12, "pad"):
            depth[row : row + 16, col : col + 16] += 1
    np.testing.assert_array_equal(np.squeeze(result.layers["count"]), depth[:50, :70])
    sees = gp.masked(lambda x: (masks.append(int(np.ma.getmaskarray(x).sum())), x)[1])
    masks = []
    gp.reconstruct(IMAGE, sees, size=64, step=64, boundary="pad")
    assert masks == [2 * 14 * 64, 2 * (64 * 64 - 50 * 6)]


def test_an_overhanging_patch_without_data_is_left_out():
    image = IMAGE.copy()
    image[:, 32:] = np.nan
    field = gp.RasterField.from_array(image, nodata=np.nan)
    result = gp.reconstruct(field, sums3x3, size=32, step=32, boundary="pad")
    assert (result.stats.patches, result.stats.skipped) == (3, 3)
    assert np.isnan(result.array[:, 32:]).all()


@pytest.mark.parametrize("value", [np.nan, -5.0])
def test_the_value_asked_for_is_taken(value):
    corner = []
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(64, boundary="pad", pad_value=value),
        gp.SpatialRegularStride(64),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
    )
    result = gp.reconstruct(IMAGE, lambda x: (corner.append(x[0, -1, -1]), x)[1], patcher=patcher)
    np.testing.assert_array_equal(corner, [value, value])
    np.testing.assert_array_equal(result.array, IMAGE)


@pytest.mark.parametrize("value", [-1, 256, 0.5, np.nan, np.inf])
def test_a_value_pixels_cannot_have_is_refused(value):
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(8, boundary="pad", pad_value=value),
        gp.SpatialRegularStride(8),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
    )
    message = rf"pad_value={value} does not fit pixels of uint8 \(ndarray uint8 \(9, 9\)\)"
    with pytest.raises(ValueError, match=message):
        patcher.plan(np.zeros((9, 9), "uint8"))

    class Field:  # whose dtype is known when its first pixels are
        domain = np.empty((9, 9))

        def select(self, window):
            return np.zeros((int(window.height), int(window.width)), "uint8")

        def with_data(self, array):
            return array

    patcher.plan(Field())
    with pytest.raises((ValueError, SourceError), match=rf"pad_value={value} does not fit pixels of uint8"):
        patcher.reconstruct(Field(), lambda x: x)
