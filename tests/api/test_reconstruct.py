"""`reconstruct` and `plan`: every pixel, on every path."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import geopatcher as gp
import oracle
from geopatcher.errors import (
    IncompleteScanConfiguration,
)
from geopatcher.patching.windows import window_from_name
from reads import counting

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
few = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


def same(patch):
    return patch


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
    options["chunks"] = tuple(max(16, chunk) for chunk in options["chunks"])  # fewer files
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


@pytest.mark.parametrize("window", ["boxcar", "hann", "gaussian", "tukey"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize(("size", "step"), [(24, 1), (30, 4)])
def test_identity_holds_however_deep_the_overlap(size, step, dtype, window):
    image = random_image(dtype, (1, 40, 36), 5)
    result = gp.reconstruct(image, same, size=size, step=step, window=window)
    assert oracle.ulps(result.array, image) <= (4 if image.dtype.kind == "f" else 0)


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
    least = gp.plan(image, **options).model.bytes_for(32, 50, alone=False)
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
        wanted = np.full(shape, 1 / 3 if shape[0] == 1 else 1).astype(dtype)
        assert oracle.ulps(result.array, wanted) <= 4


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
def test_what_is_masked_in_a_source_is_missing(dtype):
    random = np.random.default_rng(0)
    image = np.ma.array(
        random.integers(1, 9, (2, 30, 40)).astype(dtype), mask=random.random((2, 30, 40)) < 0.3
    )
    result = gp.reconstruct(image, lambda x: x, size=8, step=3)
    held = result.valid[...]
    np.testing.assert_array_equal(held, ~image.mask)
    np.testing.assert_allclose(result.array[held], image.compressed())
    assert dtype == "float64" or result.domain.nodata is None  # no value of integers was free


@pytest.mark.parametrize("name", ["x.tif", "x.zarr"])
def test_a_source_is_not_replaced_by_its_result(tmp_path, name):
    image = np.random.default_rng(0).random((20, 30))
    options = {"size": 8, "step": 8, "window": "boxcar", "overwrite": True}
    gp.reconstruct(image, lambda x: x, tmp_path / name, **options)
    with pytest.raises(gp.GeopatcherError, match="would be written over"):
        gp.reconstruct(tmp_path / name, lambda x: x * 2, tmp_path / name, **options)
    again = gp.reconstruct(tmp_path / name, lambda x: x, size=8, step=8, window="boxcar")
    np.testing.assert_array_equal(again.array.reshape(20, 30), image)


@pytest.mark.parametrize("dtype", [">u2", ">f4", "bool", "float16"])
def test_sources_of_unusual_dtypes(dtype, tmp_path):
    image = (np.arange(600).reshape(20, 30) % 2).astype(dtype)
    result = gp.reconstruct(image, same, tmp_path / "x.zarr", size=8)
    wanted = image.astype(result.array.dtype)
    assert oracle.ulps(result.array[:], wanted) <= 4


def test_dtype_rounds_and_saturates():
    image = np.array([[0.5, 1.5, 2.5, 300.0, -4.0, np.nan]]).reshape(1, 1, 6)
    result = gp.reconstruct(image, same, size=1, step=1, dtype="uint8", nodata=77)
    assert result.array.tolist() == [[[0, 2, 2, 255, 0, 77]]]


# Each pixel once


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
    least = gp.plan(field, **options).model.bytes_for(16, 64, alone=False)
    result = gp.reconstruct(field, same, memory_limit=least + 20_000, **options)
    inner = result.plan.n_regions - 1
    assert inner > 1
    assert result.stats.bytes_read == 64 * (3000 + 2 * 8 * inner)
