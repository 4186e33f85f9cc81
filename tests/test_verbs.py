"""`reconstruct` and `plan`: every pixel, on every path."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import geopatcher as gp
import numpy as np
import oracle
import pytest
import rasterio
import zarr
from affine import Affine
from geopatcher.errors import (
    IncompleteScanConfiguration,
    MemoryLimitError,
    OperatorError,
    SourceError,
    TargetError,
    TargetExistsError,
)
from geopatcher.fields.array_source import ArraySource
from geopatcher.windows import SpatialCustom, window_from_name
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def same(patch):
    return patch


def cells(dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        bits = dtype.itemsize * 8
        return hnp.arrays(dtype, shape, elements=st.floats(-1e6, 1e6, width=bits, allow_subnormal=False))
    return hnp.arrays(dtype, shape)


@st.composite
def jobs(draw, *, max_side=70):
    """An image, and how it is cut."""
    dtype = draw(st.sampled_from(DTYPES))
    bands = draw(st.sampled_from([None, 1, 3]))
    shape = (draw(st.integers(1, max_side)), draw(st.integers(1, max_side)))
    seed = draw(st.integers(0, 2**16))
    image = random_image(dtype, shape if bands is None else (bands, *shape), seed)
    size = (draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    step = (draw(st.integers(1, size[0])), draw(st.integers(1, size[1])))
    # So that small steps do not make thousands of patches.
    step = tuple(max(s, -(-n // 12)) for s, n in zip(step, shape, strict=True))
    size = tuple(max(n, s) for n, s in zip(size, step, strict=True))
    return image, {
        "size": size,
        "step": step,
        "window": draw(st.sampled_from(["hann", "boxcar", "tukey", "gaussian"])),
        "boundary": draw(st.sampled_from(["cover", "pad", "reflect", "shrink"])),
        "chunks": (draw(st.integers(1, 64)), draw(st.integers(1, 64))),
        "batch_size": draw(st.sampled_from([1, 1, 2, 5])),
    }


def random_image(dtype, shape, seed):
    random = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (random.standard_normal(shape) * 10.0 ** random.integers(-3, 4)).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


@settings(max_examples=150)
@given(jobs())
def test_identity_returns_the_input_at_every_pixel(job):
    image, options = job
    result = gp.reconstruct(image, same, **options)
    assert result.array.dtype == image.dtype
    assert result.array.shape == image.shape
    assert oracle.ulps(result.array, image) <= (4 if image.dtype.kind == "f" else 0)


@few
@given(jobs(max_side=40), st.data())
def test_memory_zarr_geotiff_column_regions_and_joined_parts_are_the_same_bytes(job, data):
    image, options = job
    memory = gp.reconstruct(image, affine_op, **options)
    height, width = image.shape[-2:]
    with tempfile.TemporaryDirectory() as folder:
        stored = gp.reconstruct(image, affine_op, Path(folder) / "x.zarr", **options)
        assert stored.array.dtype == memory.array.dtype
        np.testing.assert_array_equal(stored.array[:], memory.array)
        tiff = gp.reconstruct(image, affine_op, Path(folder) / "x.tif", **options)
        with quiet_open(Path(folder) / "x.tif") as dataset:
            np.testing.assert_array_equal(dataset.read().reshape(image.shape), memory.array)
        np.testing.assert_array_equal(tiff.array[...], memory.array)
    col = data.draw(st.integers(0, width - 1))
    row = data.draw(st.integers(0, height - 1))
    joined = np.full_like(memory.array, 0)
    filled = np.zeros((height, width), bool)
    for box in quarters(height, width, row, col):
        part = gp.reconstruct(image, affine_op, region=box, **options)
        where = (..., *part.plan.region.slices())
        joined[where] = part.array[where]
        filled[part.plan.region.slices()] = True
    assert filled.all()
    np.testing.assert_array_equal(joined, memory.array)


def quarters(height, width, row, col):
    boxes = [
        gp.Box(0, row, 0, col),
        gp.Box(0, row, col, width),
        gp.Box(row, height, 0, col),
        gp.Box(row, height, col, width),
    ]
    return [box for box in boxes if box.n_pixels]


def affine_op(patch):
    return patch if patch.dtype.kind in "iu" else patch * patch.dtype.type(1.25) + patch.dtype.type(0.5)


def quiet_open(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        return rasterio.open(path)


@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_column_regions_give_the_same_bytes(tmp_path, target, dtype):
    image = random_image(dtype, (2, 50, 900), 1)
    options = {"size": 16, "step": 8, "chunks": 32}
    place = None if target is None else tmp_path / target
    whole = gp.reconstruct(image, affine_op, **options)
    least = gp.plan(image, **options).model.bytes_for(32, 50)
    narrow = gp.reconstruct(image, affine_op, place, memory_limit=least + 40_000, **options)
    assert whole.plan.n_regions == 1
    assert narrow.plan.n_regions > 2
    np.testing.assert_array_equal(np.asarray(narrow.array[...]), whole.array)


@settings(max_examples=60)
@given(jobs(max_side=50))
def test_an_operator_that_looks_around_gives_what_the_naive_loop_gives(job):
    image, options = job
    image = np.atleast_3d(image.astype("float64").T).T if image.ndim == 2 else image.astype("float64")
    image = np.clip(image, -1e9, 1e9)

    def operator(patch):
        assert patch.ndim == 3
        return np.stack([patch[0] * 2.0, patch.mean(axis=(1, 2), keepdims=True)[0] + patch[0] * 0])

    def batched(patches):
        if options["batch_size"] == 1:
            return operator(patches)
        return np.stack([operator(patch) for patch in patches])

    weights = window_from_name(options["window"]).weights(gp.SpatialRectangular(options["size"]))
    if options["boundary"] == "pad":  # the filling would be NaN in the mean of the patch
        options["boundary"] = "cover"
    truth = oracle.overlap_add(
        image, operator, options["size"], options["step"], weights, options["boundary"]
    )
    result = gp.reconstruct(image, batched, **options)
    np.testing.assert_allclose(result.array, truth, rtol=1e-9, atol=1e-9 * np.abs(truth).max())


@pytest.mark.parametrize("boundary", ["cover", "drop", "pad", "reflect", "shrink"])
@pytest.mark.parametrize(("shape", "size", "step"), [((20, 31), 8, 6), ((5, 30), 8, 4), ((5, 3), 8, 8)])
def test_the_operator_sees_the_patches_the_boundary_promises(boundary, shape, size, step):
    image = np.random.default_rng(0).random((2, *shape))
    seen = {}

    def watch(patch):
        seen[patch.tobytes()] = patch.shape
        return patch

    gp.reconstruct(image, watch, size=size, step=step, boundary=boundary, allow_gaps=True)
    wanted = list(oracle.patches(image, (size, size), (step, step), boundary))
    assert len(seen) == len(wanted)
    for row, col, window in wanted:
        assert np.ascontiguousarray(window).tobytes() in seen, (row, col)


def test_boundary_raise_wants_positions_that_fit():
    image = np.zeros((20, 20), "uint8")
    assert gp.reconstruct(image, same, size=8, step=4, boundary="raise").array.shape == (20, 20)
    with pytest.raises(IncompleteScanConfiguration, match="patches of 8 with step 5 do not end at pixel 20"):
        gp.reconstruct(image, same, size=8, step=5, boundary="raise")


@pytest.mark.parametrize("pad_value", [None, -7.0])
def test_padding_uses_the_value_asked_for(pad_value):
    image = np.ones((1, 10, 10), "int16")
    corners = []
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(8, boundary="pad", pad_value=pad_value),
        gp.SpatialRegularStride(8),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
    )
    field = gp.RasterField.from_array(image, nodata=-9)
    gp.reconstruct(field, lambda x: (corners.append(x[0, -1, -1]), x)[1], patcher=patcher)
    assert corners == [1] + [-9 if pad_value is None else -7] * 3


# Bad input


def broken(patch):
    if patch.max() >= 900:
        raise ZeroDivisionError("no good")
    return patch


@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_operator_that_raises_is_named_with_its_window(tmp_path, batch_size):
    image = np.arange(1600).reshape(40, 40)
    with pytest.raises(OperatorError) as caught:
        gp.reconstruct(image, broken, tmp_path / "x.zarr", size=10, step=10, batch_size=batch_size)
    message = str(caught.value)
    assert message.startswith("broken failed on ")
    assert "rows 20:30, columns " in message
    assert message.endswith("of ndarray int64 (40, 40): ZeroDivisionError: no good")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("operator", "complaint"),
    [
        (lambda x: x[:, 1:], r"shape \(3, 7, 8\) for the patch of 8x8 pixels at rows 0:8, columns 0:8"),
        (lambda x: x[0, 0], r"shape \(8,\) .* it must return \(h, w\) or \(bands, h, w\)"),
        (lambda x: None, r"shape \(\) for the patch"),
        (lambda x: x.astype(complex), "returned complex128 values .* real numbers"),
        (lambda x: x.astype(str), "real numbers"),
    ],
)
def test_results_that_cannot_be_placed_are_refused(operator, complaint, tmp_path):
    with pytest.raises(OperatorError, match=complaint):
        gp.reconstruct(np.ones((3, 20, 20)), operator, tmp_path / "x.zarr", size=8)
    assert not (tmp_path / "x.zarr").exists()


def test_the_number_of_bands_must_not_change_midway():
    def fickle(patch):
        return patch[: 1 if patch.max() > 300 else 2]

    image = np.arange(1200.0).reshape(3, 20, 20)
    image[:, :10] = 0
    with pytest.raises(OperatorError, match="fickle returned 1 bands .* and 2 for those before"):
        gp.reconstruct(image, fickle, size=8)


def test_a_dtype_that_would_lose_values_must_not_appear_midway():
    def fickle(patch):
        return patch.astype("uint8") if patch.max() == 0 else patch / 2

    image = np.zeros((40, 40), "uint16")
    image[30:] = 7
    with pytest.raises(OperatorError, match=r"returned float64 .* and uint8 .* \.astype\('float64'\)"):
        gp.reconstruct(image, fickle, size=8)
    assert gp.reconstruct(image[::-1], fickle, size=8).array.dtype == np.float64  # that way it fits


@pytest.mark.parametrize("result", [np.ones((2, 3, 8, 8)), np.ones((3, 8, 8))])
def test_a_batch_must_come_back_as_a_batch(result):
    with pytest.raises(OperatorError, match="for a batch of 4 patches .* its first axis must be the batch"):
        gp.reconstruct(np.ones((3, 32, 32)), lambda x: result, size=8, batch_size=4)


def test_batches_are_filled_and_the_last_one_may_be_smaller():
    sizes = []

    def operator(patches):
        sizes.append(patches.shape[0])
        assert patches.shape[1:] == (2, 8, 8)
        return patches.sum(axis=1)

    image = np.random.default_rng(0).random((2, 16, 48))
    result = gp.reconstruct(image, operator, size=8, step=8, batch_size=4)
    assert sizes == [4, 2, 4, 2]
    assert result.array.shape == (16, 48)
    np.testing.assert_allclose(result.array, image.sum(axis=0))


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_holds_at_least_one_patch(batch_size):
    with pytest.raises(ValueError, match=f"batch_size must be 1 or more, not {batch_size}"):
        gp.reconstruct(np.ones((8, 8)), same, batch_size=batch_size)


def test_sources_that_are_none_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"there is no file .*nowhere.tif \(working directory: "):
        gp.reconstruct(tmp_path / "nowhere.tif", same)
    (tmp_path / "bad.tif").write_bytes(b"II*\0 this is no raster")
    with pytest.raises(SourceError, match=r"cannot open .*bad.tif as a raster"):
        gp.reconstruct(tmp_path / "bad.tif", same)
    with pytest.raises(TypeError, match="not list"):
        gp.reconstruct([[1, 2], [3, 4]], same)
    with pytest.raises(ValueError, match=r"the raster has no pixels: its shape is \(0, 5\)"):
        gp.reconstruct(np.empty((0, 5)), same)
    with pytest.raises(ValueError, match=r"a raster has the shape .* not \(2, 2, 2, 2\)"):
        gp.reconstruct(np.empty((2, 2, 2, 2)), same)
    with pytest.raises(TypeError, match="a raster holds numbers, not object"):
        gp.reconstruct(np.full((4, 4), None), same)


def test_a_patch_larger_than_the_limit_allows_is_refused_before_anything_is_read(tmp_path):
    class Unread(ArraySource):
        def read(self, box):
            raise AssertionError(box)

    image = np.zeros((4096, 4096), "uint8")
    field = gp.RasterField(Unread(image, ArraySource.of(image).domain))
    with pytest.raises(MemoryLimitError, match="patch 4096x4096 .* memory_limit is 64.0 MiB"):
        gp.reconstruct(field, same, tmp_path / "x.zarr", size=4096, memory_limit="64MiB")
    assert list(tmp_path.iterdir()) == []


def test_targets_that_cannot_be_are_refused_before_anything_is_read(tmp_path):
    def never(patch):
        raise AssertionError

    image = np.zeros((8, 8))
    (tmp_path / "there.tif").write_text("mine")
    with pytest.raises(TargetExistsError, match=r"there.tif exists: .* overwrite=True \(--overwrite\)"):
        gp.reconstruct(image, never, tmp_path / "there.tif")
    assert (tmp_path / "there.tif").read_text() == "mine"
    with pytest.raises(TargetError, match=r"the folder .*missing does not exist"):
        gp.reconstruct(image, never, tmp_path / "missing" / "x.zarr")
    with pytest.raises(ValueError, match=r"target .*x.png' must end in .zarr or .tif"):
        gp.reconstruct(image, never, tmp_path / "x.png")
    with pytest.raises(ValueError, match="codec 'brotli' is none of: zstd"):
        gp.reconstruct(image, never, tmp_path / "x.zarr", codec="brotli")
    with pytest.raises(ValueError, match="there is no window 'ham'"):
        gp.reconstruct(image, never, window="ham")


def test_overwriting_replaces_the_result(tmp_path):
    for factor in (1, 2):
        for name in ("x.zarr", "x.tif"):
            image = np.full((16, 16), factor, "uint8")
            result = gp.reconstruct(image, same, tmp_path / name, size=8, overwrite=True)
            assert (np.asarray(result.array[...]) == factor).all()


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
    assert result.domain.nodata == 0
    assert oracle.ulps(got, np.where(missing, 0, image * 2)) <= 4
    np.testing.assert_array_equal(got == 0, missing)


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
    assert result.domain.nodata == 255
    np.testing.assert_array_equal(result.array, np.where(np.isnan(image), 255, image > 0))


def test_an_operator_of_floats_may_fill_gaps():
    image = np.ones((1, 12, 12), "float32")
    image[0, 4:7, 4:7] = np.nan
    result = gp.reconstruct(image, lambda x: np.nan_to_num(x, nan=9.0), size=5, step=2)
    assert oracle.ulps(result.array, np.where(np.isnan(image), 9, 1).astype("float32")) <= 4


def test_with_other_bands_a_pixel_missing_in_any_band_is_missing():
    image = np.ones((3, 8, 8), "uint8")
    image[0, 1, 1] = image[2, 5, 5] = 0
    field = gp.RasterField.from_array(image, nodata=0)
    result = gp.reconstruct(field, lambda x: x.sum(axis=0, dtype="uint16"), size=4)
    wanted = np.full((8, 8), 3)
    wanted[1, 1] = wanted[5, 5] = 0
    np.testing.assert_array_equal(result.array, wanted)


def test_infinities_are_kept_and_nan_never_spreads():
    image = np.random.default_rng(0).random((1, 30, 30))
    image[0, 3, 3], image[0, 20, 9], image[0, 11, 11] = np.inf, -np.inf, np.nan
    result = gp.reconstruct(image, same, size=8, step=3)
    assert oracle.ulps(result.array, image) <= 4


@pytest.mark.parametrize("fill", [np.nan, 0.0])
def test_infinity_under_a_weight_of_zero_counts_nothing(fill):
    image = np.zeros((1, 8, 12))
    image[0, 2, 5] = np.inf
    window = SpatialCustom(lambda size: np.pad(np.ones((size[0], size[1] - 2)), ((0, 0), (1, 1))))
    result = gp.reconstruct(image, same, size=8, step=2, window=window, nodata=fill)
    wanted = image.copy()
    wanted[..., [0, -1]] = fill  # where the weight is zero in every patch
    np.testing.assert_array_equal(result.array, wanted)


@given(hnp.arrays(bool, (20, 20)), st.sampled_from(["int16", "float32"]), st.booleans())
@example(np.ones((20, 20), bool), "int16", True)
@example(np.ones((20, 20), bool), "float32", True)
def test_empty_patches_may_be_skipped_without_a_trace(missing, dtype, skip):
    image = np.arange(1, 401).reshape(1, 20, 20).astype(dtype)
    image[0, missing] = -5
    field = gp.RasterField.from_array(image, nodata=-5)
    result = gp.reconstruct(field, same, size=6, step=3, skip_empty=skip, chunks=7)
    assert oracle.ulps(result.array, image) <= 4
    np.testing.assert_array_equal(result.array[0] == -5, missing)
    empty = sum((window == -5).all() for _, _, window in oracle.patches(image, (6, 6), (3, 3), "cover"))
    assert result.stats.skipped == (empty if skip else 0)
    assert result.stats.patches + result.stats.skipped == result.plan.n_patches


@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
def test_the_result_is_the_operators_even_when_the_first_regions_are_empty(tmp_path, target):
    image = np.zeros((4, 40, 600), "uint16")
    image[:, :, 500:] = 3
    field = gp.RasterField.from_array(image, nodata=0)
    least = gp.plan(field, size=16, chunks=16).model.bytes_for(16, 40)
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


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
def test_gaps_that_are_allowed_are_nodata(tmp_path, dtype, target):
    image = np.ones((20, 40), dtype)
    place = None if target is None else tmp_path / target
    result = gp.reconstruct(image, same, place, size=4, step=9, allow_gaps=True, chunks=8)
    nodata = result.domain.nodata
    wanted = np.full(image.shape, nodata)
    for row in oracle.starts(20, 4, 9, "cover"):
        for col in oracle.starts(40, 4, 9, "cover"):
            wanted[row : row + 4, col : col + 4] = 1
    assert nodata is not None
    assert nodata != 0
    np.testing.assert_array_equal(np.asarray(result.array[...]), wanted)


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
    np.testing.assert_array_equal(result.array, np.where(np.isnan(image), 5, -1))


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


# What operators do to their input and output


def test_an_operator_may_write_into_its_input():
    def spoil(patch):
        patch *= 2
        return patch

    image = np.random.default_rng(0).random((1, 40, 40))
    before = image.copy()
    result = gp.reconstruct(image, spoil, size=8, step=3)
    np.testing.assert_array_equal(image, before)
    assert oracle.ulps(result.array, image * 2) <= 4


def test_an_operator_may_reuse_its_output():
    buffer = np.empty((1, 8, 8))

    def reuse(patch):
        np.add(patch, 1, out=buffer)
        return buffer

    image = np.random.default_rng(0).random((1, 40, 40))
    for aggregation in ("overlap-add", "median"):
        result = gp.reconstruct(image, reuse, size=8, step=4, aggregation=aggregation)
        assert oracle.ulps(result.array, image + 1) <= 4


def test_bands_and_dtype_are_the_operators():
    image = np.ones((4, 30, 30), "uint16")
    for operator, shape, dtype in [
        (lambda x: x[0] > 0, (30, 30), "uint8"),
        (lambda x: x.astype("float16"), (4, 30, 30), "float32"),
        (lambda x: np.repeat(x, 3, axis=0), (12, 30, 30), "uint16"),
        (lambda x: x[:1] / 3, (1, 30, 30), "float64"),
        (lambda x: x.astype(">i4"), (4, 30, 30), "int32"),
        (lambda x: x.astype("longdouble"), (4, 30, 30), "float64"),
    ]:
        result = gp.reconstruct(image, operator, size=16)
        assert result.array.shape == shape
        assert result.array.dtype == np.dtype(dtype)
        assert result.array.dtype.isnative
        np.testing.assert_allclose(result.array, 1 / 3 if dtype == "float64" and shape[0] == 1 else 1)


@pytest.mark.parametrize("dtype", [">u2", ">f4", "bool", "float16"])
def test_sources_of_unusual_dtypes(dtype, tmp_path):
    image = (np.arange(600).reshape(20, 30) % 2).astype(dtype)
    result = gp.reconstruct(image, same, tmp_path / "x.zarr", size=8)
    np.testing.assert_array_equal(result.array[:], image)


def test_dtype_rounds_and_saturates():
    image = np.array([[0.5, 1.5, 2.5, 300.0, -4.0, np.nan]]).reshape(1, 1, 6)
    result = gp.reconstruct(image, same, size=1, step=1, dtype="uint8", nodata=77)
    assert result.array.tolist() == [[[0, 2, 2, 255, 0, 77]]]


# Each pixel once


class Counting(ArraySource):
    """Counts what is asked of it."""

    reads: list

    def read(self, box):
        self.reads.append(box)
        return super().read(box)


def counting(image):
    source = Counting(image, ArraySource.of(image).domain)
    object.__setattr__(source, "reads", [])
    return source


@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
def test_every_pixel_is_read_once_and_every_block_written_once(tmp_path, target):
    source = counting(np.random.default_rng(0).random((2, 700, 300)))
    place = None if target is None else tmp_path / target
    result = gp.reconstruct(gp.RasterField(source), same, place, size=64, step=16, chunks=128)
    seen = np.zeros((700, 300), int)
    for box in source.reads:
        seen[box.slices()] += 1
    assert (seen == 1).all()
    assert result.stats.read_amplification == 1.0
    assert result.stats.write_amplification == 1.0
    assert result.stats.blocks == 6


def test_column_regions_read_only_what_straddles_them_again():
    source = counting(np.zeros((64, 3000), "uint8"))
    field = gp.RasterField(source)
    options = {"size": 16, "step": 8, "chunks": 16}
    least = gp.plan(field, **options).model.bytes_for(16, 64)
    result = gp.reconstruct(field, same, memory_limit=least + 20_000, **options)
    inner = result.plan.n_regions - 1
    assert inner > 1
    assert result.stats.bytes_read == 64 * (3000 + 2 * 8 * inner)


# Georeference


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
            gp.reconstruct(np.ones((20, 20), "uint8"), same, tmp_path / name, size=8)
        result = gp.reconstruct(tmp_path / "x.tif", same, tmp_path / "y.tif", size=8)
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
    result = gp.reconstruct(image, same, tmp_path / "x.zarr", size=32, chunks=32, shards=128)
    assert oracle.ulps(result.array[:], image) <= 4
    stored = zarr.open_group(tmp_path / "x.zarr", mode="r")["data"]
    assert (stored.shards, stored.chunks) == ((1, 128, 128), (1, 32, 32))
    assert len(list((tmp_path / "x.zarr" / "data" / "c").rglob("*/*/*"))) >= 2 * 2 * 3
    with pytest.raises(ValueError, match="shards"):
        gp.reconstruct(image, same, tmp_path / "y.zarr", size=32, chunks=32, shards=100)


def test_the_patchers_four_axes_are_used_when_given():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(8), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
    )
    result = gp.reconstruct(np.ones((20, 20)), same, patcher=patcher)
    assert result.plan.n_patches == 9
    assert patcher.reconstruct(np.ones((20, 20)), same).plan == result.plan
