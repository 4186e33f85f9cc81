"""Bands: chosen by number, stacked in order, the same in batches."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher
from geotoolz import SelectBands, StackBands
from geotoolz.bands import concatenated, widened

PATCH = np.arange(24, dtype="uint16").reshape(4, 2, 3)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_bands_are_numbered_from_1_in_patches_and_batches(numbers):
    select = SelectBands(numbers)
    expected = np.stack([PATCH[number - 1] for number in numbers])
    batch = np.stack([PATCH, PATCH + 100])
    assert select(PATCH).dtype == np.uint16
    np.testing.assert_array_equal(select(PATCH), expected)
    np.testing.assert_array_equal(select(batch), np.stack([expected, expected + 100]))


def test_a_single_number_is_one_band_and_its_memory_is_its_own():
    one = SelectBands(2)(PATCH)
    one[:] = 0
    assert one.shape == (1, 2, 3)
    assert PATCH[1].any()


def test_masks_go_with_their_bands():
    masked = np.ma.array(PATCH, mask=PATCH == 7)
    np.testing.assert_array_equal(SelectBands([2, 1])(masked).mask, [PATCH[1] == 7, PATCH[0] == 7])


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (0, ValueError, "a band of SelectBands is 0: bands are numbered from 1"),
        ([1, -1], ValueError, "is -1: bands are numbered from 1"),
        (True, ValueError, "is True: bands are numbered from 1"),
        (1.5, TypeError, "is 1.5: a band is a whole number, 1 for the first"),
        ("12", TypeError, "is '1': a band is a whole number"),
        ([], ValueError, "takes no band"),
    ],
)
def test_wrong_numbers_are_refused_when_it_is_made(wrong, error, says):
    with pytest.raises(error, match=says):
        SelectBands(wrong)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((2, 4, 4), r"takes band 3, 5, and a patch of shape \(2, 4, 4\) has 2: give numbers from 1 to 2"),
        ((7, 2, 4, 4), r"takes band 3, 5, and a patch of shape \(7, 2, 4, 4\) has 2"),
        ((4, 4), r"patches \(bands, h, w\) or batches \(n, bands, h, w\), not an array of shape \(4, 4\)"),
        ((1, 1, 9, 4, 4), r"not an array of shape \(1, 1, 9, 4, 4\)"),
    ],
)
def test_what_the_patch_lacks_is_an_error_with_the_values(shape, says):
    with pytest.raises(ValueError, match=says):
        SelectBands([1, 3, 5])(np.zeros(shape))


def test_stacking_is_concatenation_along_bands():
    plane, pair = np.full((2, 3), 0.5, dtype="float32"), PATCH[:2]
    made = StackBands()([pair, plane])
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, np.stack([*pair, plane]))
    batches = np.stack([pair, pair]), np.ones((2, 1, 2, 3))
    assert StackBands()(batches).shape == (2, 3, 2, 3)
    np.testing.assert_array_equal(StackBands()(batches)[:, 2], np.ones((2, 2, 3)))


def test_a_mask_of_one_part_is_kept_in_the_whole():
    masked = np.ma.array(PATCH[:1], mask=PATCH[:1] == 4)
    made = StackBands()([PATCH[:1], masked])
    np.testing.assert_array_equal(made.mask, [np.zeros((2, 3)), PATCH[0] == 4])
    assert type(concatenated([PATCH, PATCH], 0)) is np.ndarray


@pytest.mark.parametrize(
    ("parts", "error", "says"),
    [
        (PATCH, TypeError, "takes a list of arrays, not ndarray"),
        ([], ValueError, "nothing to stack"),
        ([np.zeros((1, 2, 3)), np.zeros((2, 2))], ValueError, r"not of shapes \(1, 2, 3\), \(2, 2\)"),
        ([np.zeros((1, 2, 3)), np.zeros((1, 1, 2, 3))], ValueError, "differ only in their bands"),
        ([np.zeros(3)], ValueError, r"not an array of shape \(3,\)"),
    ],
)
def test_what_cannot_be_stacked_is_refused(parts, error, says):
    with pytest.raises(error, match=says):
        StackBands()(parts)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("uint8", "float32"),
        ("int64", "float32"),
        ("bool", "float32"),
        ("float16", "float32"),
        ("float64", "float64"),
    ],
)
def test_integers_are_widened_and_floats_stay(given, expected):
    assert widened(np.ones(2, dtype=given)).dtype == expected


def ends(patch):
    return [patch.min(axis=-3, keepdims=True), patch.max(axis=-3, keepdims=True)]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_in_patches_it_is_as_on_the_whole(batch_size):
    image = np.random.default_rng(1).integers(0, 60000, (5, 40, 56)).astype("uint16")
    pipeline = SelectBands([5, 2, 3]) | ends | StackBands()
    made = geopatcher.reconstruct(image, pipeline, size=16, step=16, batch_size=batch_size)
    chosen = image[[4, 1, 2]]
    np.testing.assert_array_equal(made.array, [chosen.min(axis=0), chosen.max(axis=0)])


def test_it_says_what_it_is_and_pickles():
    select = pickle.loads(pickle.dumps(SelectBands((3, 1))))  # noqa: S301 - our own bytes
    assert json.loads(json.dumps(select.get_config())) == {
        "name": "SelectBands",
        "type": "SelectBands",
        "bands": [3, 1],
    }
    assert pickle.loads(pickle.dumps(StackBands())).get_config() == {  # noqa: S301 - our own bytes
        "name": "StackBands",
        "type": "StackBands",
    }
