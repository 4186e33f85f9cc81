"""Masks: found by class, and put on patches as NaN, a value, or a mask."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import geopatcher
from geotoolz import SENTINEL2_SCL, ApplyMask, MaskFromClasses, SelectBands

RANDOM = np.random.default_rng(5)
#: two bands of reflectances, and classes
IMAGE = np.concatenate([RANDOM.integers(1, 9000, (2, 40, 56)), RANDOM.integers(0, 12, (1, 40, 56))]).astype(
    "uint16"
)
CLOUDS = MaskFromClasses(3, ["cloud_medium_probability", "cloud_high_probability", "thin_cirrus", 3])
CLOUDY = np.isin(IMAGE[2], [8, 9, 10, 3])


def is_odd(patch):
    return patch[..., :1, :, :] % 2 == 1


def is_odd_by_band(patch):
    return patch % 2


def is_odd_plane(patch):
    return patch[0] % 2


def overwrites(patch):
    patch[:] = 0
    return patch


def test_classes_by_number_and_by_name():
    np.testing.assert_array_equal(CLOUDS(IMAGE), CLOUDY[np.newaxis])
    assert CLOUDS(IMAGE).dtype == bool
    assert CLOUDS.classes == (8, 9, 10, 3)
    np.testing.assert_array_equal(MaskFromClasses(3, "water")(IMAGE), IMAGE[2:] == 6)
    np.testing.assert_array_equal(MaskFromClasses(3, [6], invert=True)(IMAGE), IMAGE[2:] != 6)
    own = MaskFromClasses(1, ["roof"], names={"roof": -7})
    assert own(np.array([[[-7, 7]]], dtype="int8")).tolist() == [[[True, False]]]


def test_the_classes_of_sentinel_2_are_numbered_without_a_gap():
    assert sorted(SENTINEL2_SCL.values()) == list(range(12))
    assert SENTINEL2_SCL["snow_or_ice"] == 11


def test_nan_is_in_no_class_and_a_mask_is_kept():
    classes = np.array([[[np.nan, 6.0, 4.0]]], dtype="float32")
    assert MaskFromClasses(1, ["water"])(classes).tolist() == [[[False, True, False]]]
    masked = MaskFromClasses(1, ["water"])(np.ma.array(classes, mask=[[[False, True, False]]]))
    np.testing.assert_array_equal(masked.mask, [[[False, True, False]]])


def test_integers_become_nan_in_float32_and_the_patch_stays():
    before = IMAGE.copy()
    made = ApplyMask(CLOUDS)(IMAGE)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, np.where(CLOUDY, np.nan, IMAGE.astype("float32")))
    wide = IMAGE.astype("float64")
    assert ApplyMask(CLOUDS)(wide).dtype == np.float64
    ApplyMask(overwrites)(wide)
    np.testing.assert_array_equal(wide, before)
    np.testing.assert_array_equal(IMAGE, before)


def test_a_fill_keeps_the_dtype():
    made = ApplyMask(CLOUDS, fill=65535)(IMAGE)
    assert made.dtype == np.uint16
    np.testing.assert_array_equal(made, np.where(CLOUDY, 65535, IMAGE))


@pytest.mark.parametrize("fill", [None, 7])
def test_what_was_masked_stays_masked(fill):
    masked = np.ma.array(IMAGE, mask=IMAGE > 8000)
    made = ApplyMask(is_odd, fill=fill)(masked)
    odd = np.broadcast_to(IMAGE[:1] % 2 == 1, IMAGE.shape)
    # Where it is not known whether a pixel counts, it does not.
    hidden = odd | np.broadcast_to(IMAGE[:1] > 8000, IMAGE.shape)
    assert made.dtype == np.uint16
    if fill is None:
        np.testing.assert_array_equal(made.mask, (IMAGE > 8000) | hidden)
    else:
        np.testing.assert_array_equal(made.mask, IMAGE > 8000)
        np.testing.assert_array_equal(made.data, np.where(hidden, 7, IMAGE))


@pytest.mark.parametrize("mask", [is_odd, is_odd_by_band, is_odd_plane])
def test_masks_are_for_all_bands_or_one_each(mask):
    expected = np.where(np.broadcast_to(mask(IMAGE), IMAGE.shape), 0, IMAGE)
    np.testing.assert_array_equal(ApplyMask(mask, fill=0)(IMAGE), expected)


@given(
    hnp.arrays("uint8", st.tuples(st.integers(1, 3), st.just(2), st.integers(1, 4), st.integers(1, 4)),
               elements=st.integers(0, 11)),
    st.sampled_from(
        [MaskFromClasses(2, [8, 9]), ApplyMask(MaskFromClasses(2, [8, 9])), ApplyMask(is_odd_by_band, fill=3)]
    ),
)  # fmt: skip
def test_a_batch_is_its_patches(batch, operator):
    np.testing.assert_array_equal(operator(batch), np.stack([operator(patch) for patch in batch]))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_in_patches_it_is_as_on_the_whole(batch_size):
    pipeline = ApplyMask(CLOUDS) | SelectBands([1, 2])
    made = geopatcher.reconstruct(IMAGE, pipeline, size=16, step=8, batch_size=batch_size).array
    np.testing.assert_allclose(made, pipeline(IMAGE), rtol=1e-6)
    assert np.isnan(made[0]).sum() == CLOUDY.sum()


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (
            lambda: MaskFromClasses(1, ["clouds"]),
            ValueError,
            "knows no class 'clouds', but no_data, saturated",
        ),
        (lambda: MaskFromClasses(1, []), ValueError, "has no class"),
        (lambda: MaskFromClasses(1, [1.5]), TypeError, "a class of MaskFromClasses is 1.5"),
        (lambda: MaskFromClasses(0, [1]), ValueError, "the band of MaskFromClasses is 0"),
        (lambda: MaskFromClasses(4, [1])(IMAGE), ValueError, "MaskFromClasses takes band 4, and a patch"),
        (lambda: ApplyMask(IMAGE), TypeError, "mask of ApplyMask is of type ndarray, which cannot be called"),
        (lambda: ApplyMask(is_odd, fill=np.nan), ValueError, "fill of ApplyMask is nan"),
        (
            lambda: ApplyMask(is_odd, fill=-1)(IMAGE),
            ValueError,
            "uint16 cannot hold the fill -1 of ApplyMask",
        ),
        (lambda: ApplyMask(is_odd, fill=0.5)(IMAGE), ValueError, "uint16 cannot hold the fill 0.5"),
        (
            lambda: ApplyMask(is_odd, fill=1e39)(IMAGE.astype("float32")),
            ValueError,
            r"float32 cannot hold the fill 1e\+39",
        ),
        (lambda: ApplyMask(SelectBands([1, 2]))(IMAGE), ValueError, r"SelectBands has shape \(2, 40, 56\)"),
        (
            lambda: ApplyMask(is_odd_plane)(IMAGE[np.newaxis].repeat(3, 0)),
            ValueError,
            "must be as high and wide",
        ),
    ],
)
def test_what_does_not_fit_is_an_error_with_the_values(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_they_say_what_they_are_and_pickle():
    again = pickle.loads(pickle.dumps(ApplyMask(CLOUDS, fill=0)))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(again(IMAGE), ApplyMask(CLOUDS, fill=0)(IMAGE))
    assert json.loads(json.dumps(again.get_config())) == {
        "name": "ApplyMask",
        "type": "ApplyMask",
        "fill": 0.0,
        "mask": {
            "name": "MaskFromClasses",
            "type": "MaskFromClasses",
            "band": 3,
            "classes": [8, 9, 10, 3],
            "invert": False,
        },
    }
    named = ApplyMask(is_odd).get_config()["mask"]
    assert named["function"] == f"{__name__}:is_odd"
