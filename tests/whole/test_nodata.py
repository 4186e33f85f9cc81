"""Missing pixels on their way through `reconstruct`: they stay missing, and never spread."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import geopatcher as gp
import oracle
from geopatcher.patching.windows import SpatialCustom
from geotiffs import write_geotiff


def same(patch):
    return patch


# Nodata


@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_nodata_stays_nodata_and_never_spreads(tmp_path, target, dtype):
    random = np.random.default_rng(3)
    image = random.integers(1, 100, (2, 60, 70)).astype(dtype)
    missing = random.random(image.shape) < 0.3
    missing[:, 10:40, 20:60] = True
    image[missing] = 0
    field = gp.RasterField.from_array(image, nodata=0)
    place = None if target is None else tmp_path / target
    result = gp.reconstruct(field, lambda x: x * np.asarray(2, x.dtype), place, size=16, step=8, chunks=32)
    got = np.asarray(result.array[...])
    gone = np.nan if image.dtype.kind == "f" else 0
    np.testing.assert_equal(result.domain.nodata, gone)
    assert oracle.ulps(got, np.where(missing, gone, image * 2)) <= 4
    np.testing.assert_array_equal(result.valid[...], ~missing)


def test_floats_computed_from_integers_have_nan_where_the_integers_had_nodata():
    image = np.arange(200, dtype="uint8").reshape(1, 10, 20)
    field = gp.RasterField.from_array(image, nodata=7)
    result = gp.reconstruct(field, lambda x: x.astype("float32") - 8, size=4, step=2)
    assert np.isnan(result.domain.nodata)
    np.testing.assert_array_equal(np.isnan(result.array), image == 7)
    assert result.array[0, 0, 8] == 0.0  # a value like any other


def test_integers_computed_from_floats_with_gaps_say_where_they_are():
    image = np.linspace(-1, 1, 200, dtype="float32").reshape(1, 10, 20)
    image[0, 2, 3:7] = np.nan
    field = gp.RasterField.from_array(image, nodata=-9999)

    def classify(patch):
        patch[np.isnan(patch)] = 5  # in place: what was missing is still known
        return patch > 0

    result = gp.reconstruct(field, classify, size=6, step=3)
    assert result.array.dtype == np.uint8
    assert result.domain.nodata is None
    np.testing.assert_array_equal(result.valid[...], ~np.isnan(image))
    np.testing.assert_array_equal(result.array, np.where(np.isnan(image), 255, image > 0))


def test_an_operator_of_floats_may_fill_gaps():
    image = np.ones((1, 12, 12), "float32")
    image[0, 4:7, 4:7] = np.nan
    result = gp.reconstruct(image, lambda x: np.nan_to_num(x, nan=9.0), size=5, step=2)
    assert oracle.ulps(result.array, np.where(np.isnan(image), 9, 1).astype("float32")) <= 4


def indices(patch):
    """Return two of the same two bands."""
    first, second = patch.astype("float32")
    return np.stack([first + second, first - second])


def test_with_other_bands_a_pixel_missing_in_any_band_is_missing():
    image = np.ones((3, 8, 8), "uint8")
    image[0, 1, 1] = image[2, 5, 5] = 0
    field = gp.RasterField.from_array(image, nodata=0)
    result = gp.reconstruct(field, lambda x: x.sum(axis=0, dtype="uint16"), size=4)
    held = np.ones((8, 8), bool)
    held[1, 1] = held[5, 5] = False
    np.testing.assert_array_equal(result.valid[...], held)
    assert (result.array[held] == 3).all()


@pytest.mark.parametrize("workers", [None, 2])
def test_with_as_many_bands_of_another_name_so_it_is(tmp_path, workers):
    pixels = np.full((2, 20, 24), 10, "int16")
    pixels[1, :10] = 0
    source = write_geotiff(tmp_path / "counts.tif", pixels, nodata=0)
    own = gp.reconstruct(source, indices, size=16)
    np.testing.assert_array_equal(own.valid[:], pixels != 0)
    result = gp.reconstruct(source, indices, size=16, output_dims=("index",), workers=workers)
    wanted = np.where((pixels != 0).all(axis=0), np.array([20, 0])[:, None, None], np.nan)
    np.testing.assert_array_equal(result.array, wanted)


def test_statistics_over_dates_are_missing_where_one_date_is(tmp_path):
    days = np.full((2, 2, 20, 24), 10, "int16")
    days[1, 0, :10] = 0
    scenes = [write_geotiff(tmp_path / f"{day}.tif", days[day], nodata=0) for day in range(2)]
    result = gp.reconstruct(
        gp.Stack(scenes),
        lambda patch: np.stack([patch.mean(axis=0), patch.std(axis=0)]),
        size=16,
        output_dims=("statistic", "band"),
    )
    assert np.isnan(result.array[:, :, :10]).all()
    np.testing.assert_array_equal(result.array[0, :, 10:], 10)


def test_infinities_are_kept_and_nan_never_spreads():
    image = np.random.default_rng(0).random((1, 30, 30))
    image[0, 3, 3], image[0, 20, 9], image[0, 11, 11] = np.inf, -np.inf, np.nan
    result = gp.reconstruct(image, same, size=8, step=3)
    assert oracle.ulps(result.array, image) <= 4


@pytest.mark.parametrize("fill", [np.nan, 0.0])
def test_infinity_under_a_weight_of_zero_counts_nothing(fill):
    image = np.zeros((1, 8, 12))
    image[0, 2, 5] = np.inf
    window = SpatialCustom(
        lambda geometry: np.pad(np.ones(np.subtract(geometry.size, (0, 2))), ((0, 0), (1, 1)))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zeros that hold data, where zero is to be nodata
        result = gp.reconstruct(image, same, size=8, step=2, window=window, nodata=fill)
    wanted = image.copy()
    wanted[..., [0, -1]] = fill  # where the weight is zero in every patch
    np.testing.assert_array_equal(result.array, wanted)
    np.testing.assert_array_equal(result.valid[0, 0], [False] + [True] * 10 + [False])


@given(hnp.arrays(bool, (20, 20)), st.sampled_from(["int16", "float32"]), st.booleans())
@example(np.ones((20, 20), bool), "int16", True)
@example(np.ones((20, 20), bool), "float32", True)
def test_empty_patches_may_be_skipped_without_a_trace(missing, dtype, skip):
    image = np.arange(1, 401).reshape(1, 20, 20).astype(dtype)
    image[0, missing] = -5
    field = gp.RasterField.from_array(image, nodata=-5)
    result = gp.reconstruct(field, same, size=6, step=3, skip_empty=skip, chunks=7)
    wanted = np.where(missing, np.nan, image) if dtype == "float32" else image
    assert oracle.ulps(result.array, wanted) <= 4
    np.testing.assert_array_equal(result.valid[0], ~missing)
    empty = sum((window == -5).all() for _, _, window in oracle.patches(image, (6, 6), (3, 3), "cover"))
    assert result.stats.skipped == (empty if skip else 0)
    assert result.stats.patches + result.stats.skipped == result.plan.n_patches


@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
def test_the_result_is_the_operators_even_when_the_first_regions_are_empty(tmp_path, target):
    image = np.zeros((4, 40, 600), "uint16")
    image[:, :, 500:] = 3
    field = gp.RasterField.from_array(image, nodata=0)
    least = gp.plan(field, size=16, chunks=16).model.bytes_for(16, 40, alone=False)
    place = None if target is None else tmp_path / target
    result = gp.reconstruct(
        field, lambda x: x.mean(axis=0), place, size=16, chunks=16, memory_limit=least + 60_000
    )
    assert result.plan.n_regions > 2
    assert (result.array.dtype, result.array.shape) == (np.float64, (40, 600))
    assert oracle.ulps(np.asarray(result.array[...]), np.where(image[0], 3.0, np.nan)) <= 4


def test_a_source_without_any_data_gives_nothing_but_nodata():
    field = gp.RasterField.from_array(np.full((2, 30, 30), 255, "uint8"), nodata=255)
    result = gp.reconstruct(field, same, size=8)
    assert (result.array == 255).all()
    assert result.stats.patches == 0


@pytest.mark.parametrize("shape", [(10, 10), (10, 40), (40, 10)])
@pytest.mark.parametrize("boundary", ["cover", "pad", "reflect", "shrink"])
def test_a_source_smaller_than_a_patch_without_any_data_gives_nothing_but_nodata(shape, boundary):
    field = gp.RasterField.from_array(np.zeros(shape, "uint8"), nodata=0)
    result = gp.reconstruct(field, same, size=16, boundary=boundary)
    assert result.array.shape == shape
    assert (result.array == 0).all()
    assert result.stats.patches == 0


@pytest.mark.parametrize("boundary", ["cover", "pad", "reflect", "shrink"])
def test_nan_is_missing_in_every_patch_whether_it_overhangs_or_not(boundary):
    image = np.ones((13, 13), "float32")
    image[9, 9] = np.nan
    result = gp.reconstruct(
        image, lambda x: np.full(x.shape, 7, "int32"), size=8, step=4, boundary=boundary, dtype="float64"
    )
    np.testing.assert_array_equal(result.array, np.where(np.isnan(image), np.nan, 7))


@pytest.mark.parametrize("boundary", ["cover", "pad", "reflect", "shrink"])
def test_a_masked_operator_sees_nan_in_patches_that_overhang_too(boundary):
    image = np.ones((10, 10), "float32")
    image[9, 9] = np.nan
    result = gp.reconstruct(image, gp.masked(lambda x: x.filled(7)), size=8, step=4, boundary=boundary)
    np.testing.assert_array_equal(result.array, np.where(np.isnan(image), 7, 1))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
def test_gaps_that_are_allowed_are_nodata(tmp_path, dtype, target):
    image = np.ones((20, 40), dtype)
    place = None if target is None else tmp_path / target
    result = gp.reconstruct(image, same, place, size=4, step=9, allow_gaps=True, chunks=8)
    held = np.zeros(image.shape, bool)
    for row in oracle.starts(20, 4, 9, "cover"):
        for col in oracle.starts(40, 4, 9, "cover"):
            held[row : row + 4, col : col + 4] = True
    np.testing.assert_array_equal(result.valid[...], held)
    cells = np.asarray(result.array[...])
    assert (cells[held] == 1).all()
    assert (cells[~held] != 0).all()


def test_a_nodata_value_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"nodata=-9999 does not fit a result of uint8"):
        gp.reconstruct(np.ones((8, 8), "uint8"), same, nodata=-9999)


# Masks


def test_a_masked_operator_sees_what_is_missing():
    image = np.arange(1, 65, dtype="uint8").reshape(1, 8, 8)
    image[0, 2, 2] = 0
    field = gp.RasterField.from_array(image, nodata=0)
    seen = []

    @gp.masked
    def operator(patch):
        seen.append((type(patch), patch.dtype, patch.shape, int(patch.mask.sum())))
        return patch.filled(99)

    result = gp.reconstruct(field, operator, size=4, step=4)
    assert seen == [(np.ma.MaskedArray, np.uint8, (1, 4, 4), n) for n in (1, 0, 0, 0)]
    np.testing.assert_array_equal(result.array, np.where(image == 0, 99, image))  # it filled the gap


def test_a_masked_operator_decides_which_cells_count():
    image = np.ones((1, 12, 12), "float32")
    image[0, 3, 3] = np.nan
    field = gp.RasterField.from_array(image, nodata=-1)

    def operator(patches):
        assert patches.shape[1:] == (1, 4, 4)
        return np.ma.masked_where(patches.data == 1, patches.filled(5))

    result = gp.reconstruct(field, gp.masked(operator), size=4, step=2, batch_size=3)
    np.testing.assert_array_equal(result.array, np.where(np.isnan(image), 5, np.nan))


def test_a_two_dimensional_source_gives_two_dimensional_masks():
    field = gp.RasterField.from_array(np.zeros((8, 8), "uint8"), nodata=0)
    result = gp.reconstruct(field, gp.masked(lambda x: (~x.mask).astype("uint8")), size=4, skip_empty=False)
    assert result.array.shape == (8, 8)


def test_plain_operators_may_mask_too_but_cannot_bring_back_what_was_missing():
    image = np.arange(64, dtype="int16").reshape(1, 8, 8)
    field = gp.RasterField.from_array(image, nodata=9)
    result = gp.reconstruct(field, lambda x: np.ma.masked_where(x == 20, x), size=4, step=2)
    np.testing.assert_array_equal(result.array, np.where(image == 20, 9, image))


@pytest.mark.parametrize("boundary", ["pad", "reflect"])
def test_padding_is_masked_and_reflection_is_not(boundary):
    image = np.ones((1, 6, 6), "uint8")
    masks = []
    operator = gp.masked(lambda x: (masks.append(np.ma.getmaskarray(x).sum()), x)[1])
    gp.reconstruct(image, operator, size=4, step=4, boundary=boundary)
    assert masks == ([0, 8, 8, 12] if boundary == "pad" else [0, 0, 0, 0])


@st.composite
def moody(draw):
    """A raster with gaps, and an operator that keeps, fills and makes gaps, each patch as it likes."""
    shape = (draw(st.integers(1, 2)), draw(st.integers(8, 40)), draw(st.integers(8, 40)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    dtype, missing = draw(st.sampled_from([("float32", np.nan), ("int16", -1)]))
    image = rng.integers(1, 100, shape).astype(dtype)
    image[rng.random(shape) < draw(st.sampled_from([0.0, 0.02, 0.4]))] = missing
    makes = draw(st.booleans())

    def operator(patch):
        mood = int(np.nansum(patch)) % 3
        out = patch.astype("float64")
        if mood == 0:
            out[np.isnan(out)] = 7
        if mood == 1 and makes:
            out[:, 1::3] = np.nan
        return out

    return image, missing, operator


@given(made=moody(), size=st.integers(3, 8), step=st.integers(1, 8))
def test_gaps_that_patches_disagree_about_weigh_as_if_added_up_one_by_one(made, size, step):
    image, missing, operator = made
    step = min(step, size)
    window = np.asarray(gp.SpatialHann().weights(gp.SpatialRectangular((size, size))))
    field = gp.RasterField.from_array(image, nodata=missing)

    def on_numbers(patch):  # nodata of integers cannot be filled
        result = operator(patch)
        result[patch == missing] = np.nan
        return result

    wanted = oracle.overlap_add(image, on_numbers, (size, size), (step, step), window)
    options = {"dtype": "float64", "chunks": 8, "skip_empty": False}
    got = gp.reconstruct(field, operator, size=size, step=step, **options)
    np.testing.assert_allclose(np.asarray(got.array), wanted, rtol=1e-12)
