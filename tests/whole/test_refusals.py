"""What `reconstruct` refuses: plainly, early, and leaving nothing behind."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.errors import (
    MemoryLimitError,
    OperatorError,
    SourceError,
    TargetError,
    TargetExistsError,
)
from geopatcher.fields.array_source import ArraySource


def same(patch):
    return patch


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
        (lambda x: None, "returned None for the patch at rows 0:8, columns 0:8 .*: did it forget to return"),
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
    with pytest.raises(OperatorError, match="fickle returned 1 bands .* and 2 bands for those before"):
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
    assert sizes == [4, 4, 4]  # of twelve patches, six a row
    assert result.array.shape == (16, 48)
    np.testing.assert_allclose(result.array, image.sum(axis=0))


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_holds_at_least_one_patch(batch_size):
    with pytest.raises(ValueError, match=f'batch_size must be 1 or more, or "auto", not {batch_size}'):
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
    with pytest.raises(ValueError, match=r"a raster has the shape .* not \(4,\)"):
        gp.reconstruct(np.empty(4), same)
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
        gp.reconstruct(image, never, tmp_path / "x.zarr", storage=gp.ZarrStorage("brotli"))
    with pytest.raises(ValueError, match="there is no window 'ham'"):
        gp.reconstruct(image, never, window="ham")


def test_overwriting_replaces_the_result(tmp_path):
    for factor in (1, 2):
        for name in ("x.zarr", "x.tif"):
            image = np.full((16, 16), factor, "uint8")
            result = gp.reconstruct(image, same, tmp_path / name, size=8, overwrite=True)
            assert (np.asarray(result.array[...]) == factor).all()


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        (
            {"size": 0},
            ValueError,
            r"size is a whole number of pixels, at least 1, or a pair \(rows, columns\), not 0",
        ),
        ({"size": 8.5}, ValueError, "size is a whole number"),
        ({"size": (8,)}, ValueError, "size is a whole number"),
        ({"step": -1}, ValueError, "step is a whole number"),
        ({"chunks": 0}, ValueError, "chunks is a whole number"),
        ({"boundary": "wrap"}, ValueError, "boundary 'wrap' is none of cover, drop"),
        ({"aggregation": "add"}, ValueError, "aggregation 'add' is none of: overlap-add"),
        ({"aggregation": gp.SpatialMeanStd()}, TypeError, "SpatialMeanStd"),
        (
            {"window": np.ones((8, 8))},
            TypeError,
            "a window is a name or a SpatialWindow, not ndarray: SpatialCustom",
        ),
        ({"dtype": "bool"}, ValueError, "a result cannot have the dtype bool: choose integers or floats"),
        ({"dtype": "U3"}, ValueError, "a result cannot have the dtype <U3"),
        ({"on_error": "ignore"}, ValueError, "on_error='ignore' is none of raise, skip, mask, retry"),
        ({"region": gp.Box(90, 95, 0, 5)}, ValueError, "holds no pixel of the plan's rows 0:20"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_read(options, error, complaint):
    def never(patch):
        raise AssertionError

    with pytest.raises(error, match=complaint):
        gp.reconstruct(np.zeros((20, 20)), never, **{"size": 8, **options})


@pytest.mark.parametrize("operator", [None, "abs", 5])
def test_an_operator_must_be_a_function(operator):
    with pytest.raises(TypeError, match=f"the operator must be a function of an array, not {operator!r}"):
        gp.reconstruct(np.zeros((20, 20)), operator)
