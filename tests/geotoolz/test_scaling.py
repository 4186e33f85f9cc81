"""Scaling, normalising, clipping, comparing: against NumPy on the whole, with the dtypes promised."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import geopatcher
from geotoolz import Clip, Normalize, Scale, Threshold

IMAGE = np.random.default_rng(4).integers(0, 4000, (3, 40, 56)).astype("uint16")
BATCHES = hnp.arrays(
    "float64",
    st.tuples(st.integers(1, 3), st.just(2), st.integers(1, 4), st.integers(1, 4)),
    elements=st.floats(-1e3, 1e3) | st.just(float("nan")),
)
OPERATORS = [
    Scale(2),
    Scale([2, 3], offset=[-1, 1]),
    Normalize([1, 2], [3, 0]),
    Clip(-10, 10),
    Clip(high=5),
    Threshold(0.5),
    Threshold([1, -1], below=True),
]


def patcher():
    return geopatcher.SpatialPatcher(
        geopatcher.SpatialRectangular(16),
        geopatcher.SpatialRegularStride(8),
        geopatcher.SpatialHann(),
        geopatcher.SpatialOverlapAdd(),
    )


@given(BATCHES, st.sampled_from(OPERATORS))
def test_a_batch_is_its_patches_and_nan_stays(batch, operator):
    made = operator(batch)
    np.testing.assert_array_equal(made, np.stack([operator(patch) for patch in batch]))
    np.testing.assert_array_equal(np.isnan(made), np.isnan(batch))
    assert made.dtype == np.float64


@given(BATCHES, st.sampled_from(OPERATORS))
def test_a_mask_stays_and_the_rest_is_as_without(batch, operator):
    masked = np.ma.array(batch, mask=batch > 0)
    made = operator(masked)
    np.testing.assert_array_equal(np.ma.getmaskarray(made), batch > 0)
    np.testing.assert_array_equal(made.data[~made.mask], operator(batch)[~made.mask])


@pytest.mark.parametrize("operator", [Scale(0.5), Normalize(100, 2), Clip(10, 500), Threshold(1000)])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_in_patches_it_is_as_on_the_whole(operator, batch_size):
    made = geopatcher.reconstruct(IMAGE, operator, size=16, step=8, batch_size=batch_size).array
    assert made.dtype == operator(IMAGE).dtype
    np.testing.assert_allclose(made, operator(IMAGE), rtol=1e-6)


def test_scaling_takes_one_number_or_one_for_each_band():
    made = Scale([1e-4, 2, 3], offset=-0.1)(IMAGE)
    assert made.dtype == np.float32
    expected = IMAGE * np.array([1e-4, 2, 3])[:, None, None] - 0.1
    np.testing.assert_allclose(made, expected, rtol=1e-6, atol=1e-7)
    assert Scale(2)(np.ones((4, 5), dtype="float64")).dtype == np.float64
    np.testing.assert_array_equal(Scale(-1)(np.array([[3]], dtype="uint8")), [[-3.0]])


def test_normalising_with_the_statistics_of_the_raster():
    found = patcher().reduce(IMAGE, geopatcher.SpatialMeanStd())
    normalize = Normalize(found)
    wide = IMAGE.astype("float64")
    expected = (wide - wide.mean(axis=(1, 2), keepdims=True)) / wide.std(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(normalize(IMAGE), expected, atol=1e-5)
    np.testing.assert_allclose(normalize(wide), expected, rtol=1e-9)
    assert normalize.get_config() == Normalize(**found).get_config()


def test_normalising_in_two_passes():
    made = patcher().two_pass(
        IMAGE.astype("float64"),
        reduce_with=geopatcher.SpatialMeanStd(),
        apply=lambda data, found: Normalize(found)(data),
    )
    np.testing.assert_allclose(made.mean(axis=(1, 2)), 0, atol=1e-9)
    np.testing.assert_allclose(made.std(axis=(1, 2)), 1, rtol=1e-9)


def test_statistics_of_a_plane_are_floats():
    found = patcher().reduce(IMAGE[0], geopatcher.SpatialMeanStd())
    made = Normalize(found)(IMAGE[0].astype("float64"))
    assert made.shape == (40, 56)
    assert abs(made.mean()) < 1e-9


def test_a_band_without_variation_becomes_0_and_one_without_cells_nan():
    made = Normalize({"mean": [7, np.nan], "std": [0, np.nan]})
    np.testing.assert_array_equal(made(np.full((2, 1, 1), 7, dtype="uint8")), [[[0]], [[np.nan]]])
    assert json.loads(json.dumps(made.get_config(), allow_nan=False))["mean"] == [7.0, None]


@pytest.mark.parametrize(
    ("operator", "given", "expected"),
    [
        (Clip(0.5, 3.5), [0, 1, 3, 9], [1, 1, 3, 3]),
        (Clip(-5, 300), [0, 1, 3, 255], [0, 1, 3, 255]),
        (Clip(low=2), [0, 255, 2, 1], [2, 255, 2, 2]),
        (Clip(), [0, 255, 2, 1], [0, 255, 2, 1]),
    ],
)
def test_clipping_keeps_integers_integers(operator, given, expected):
    made = operator(np.array([[given]], dtype="uint8"))
    assert made.dtype == np.uint8
    assert made.tolist() == [[expected]]


@pytest.mark.parametrize("dtype", ["bool", "int16", "uint64", "float16", "float32", "float64"])
@pytest.mark.parametrize("number", [int, float, np.int64, np.float64, np.float32])
def test_clipping_keeps_the_dtype_whatever_the_bounds_are_of(dtype, number):
    made = Clip(number(0), number(1))(np.array([[[0, 1, 1]]], dtype=dtype))
    assert made.dtype == np.dtype(dtype)
    assert made.tolist() == [[[0, 1, 1]]]


def test_bounds_and_thresholds_that_a_dtype_does_not_reach_are_no_warning():
    patch = np.array([[[-3.0, 65504]]], dtype="float16")
    assert Clip(-1e6, 1e6)(patch).tolist() == patch.tolist()
    assert Threshold(1e6)(patch).tolist() == [[[0, 0]]]


@pytest.mark.parametrize("bounds", [(0.2, 0.8), (300, None), (None, -1)])
def test_clipping_to_what_a_dtype_does_not_have_is_refused(bounds):
    with pytest.raises(ValueError, match=f"Clip from {bounds[0]} to {bounds[1]} of uint8"):
        Clip(*bounds)(np.zeros((1, 1, 1), dtype="uint8"))


def test_a_threshold_is_exclusive_and_compared_in_the_dtype_of_the_patch():
    assert Threshold(2)(np.array([[1, 2, 3]])).tolist() == [[0, 0, 1]]
    assert Threshold(2)(np.array([[1, 2, 3]])).dtype == np.uint8
    assert Threshold(2, below=True)(np.array([[1, 2, 3]])).tolist() == [[1, 0, 0]]
    assert Threshold(0.1)(np.array([[0.1]], dtype="float32")).tolist() == [[0.0]]
    assert Threshold(-1)(np.array([[0]], dtype="uint8")).tolist() == [[1]]


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Scale(float("nan")), ValueError, "factor of Scale is nan: give finite numbers"),
        (lambda: Scale([[1]]), ValueError, r"factor of Scale has shape \(1, 1\)"),
        (lambda: Scale([]), ValueError, r"has shape \(0,\)"),
        (
            lambda: Scale([1, 2])(IMAGE),
            ValueError,
            r"Scale: factor has 2 numbers, and .*\(3, 40, 56\) has 3 bands",
        ),
        (lambda: Scale([1, 2])(IMAGE[0]), ValueError, r"not an array of shape \(40, 56\)"),
        (lambda: Normalize(1), TypeError, "takes mean and std, not mean: give both"),
        (lambda: Normalize({"min": 1, "max": 2}), TypeError, "not min, max: give both"),
        (lambda: Normalize({"mean": 1, "std": 2}, 3), TypeError, "not mean, std, and std beside them"),
        (lambda: Normalize(1, -2), ValueError, "std of Normalize is -2.0: no standard deviation is negative"),
        (lambda: Normalize(float("inf"), 1), ValueError, "mean of Normalize is inf"),
        (lambda: Normalize([1, 2], 1)(IMAGE), ValueError, "Normalize: mean has 2 numbers"),
        (lambda: Clip(3, 2), ValueError, "Clip from 3 to 2: low must not be above high"),
        (lambda: Clip(high=float("nan")), ValueError, "high of Clip is nan"),
        (lambda: Threshold(float("inf")), ValueError, "value of Threshold is inf"),
    ],
)
def test_wrong_numbers_are_errors_with_the_values(make, error, says):
    with pytest.raises(error, match=says):
        make()


@pytest.mark.parametrize(
    ("operator", "config"),
    [
        (Scale(2, [1, 3]), {"factor": 2.0, "offset": [1.0, 3.0]}),
        (Normalize(np.float32(1), np.array([2.0])), {"mean": 1.0, "std": [2.0]}),
        (Clip(0, np.int64(2)), {"low": 0.0, "high": 2.0}),
        (Clip(), {"low": None, "high": None}),
        (Threshold(0.5, below=True), {"value": 0.5, "below": True}),
    ],
)
def test_they_say_what_they_are_and_pickle(operator, config):
    name = type(operator).__name__
    again = pickle.loads(pickle.dumps(operator))  # noqa: S301 - our own bytes
    assert json.loads(json.dumps(again.get_config())) == {"name": name, "type": name, **config}
