"""Spectral indices: their formulas, in the dtype that holds them, NaN where there is none."""

import json
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import geopatcher
import geotoolz
from geotoolz import EVI, NBR, NDBI, NDSI, NDVI, NDWI, SAVI, NormalizedDifference, Scale

#: of an index: the operator, and its formula on bands of float64, which are counted from 0
DIFFERENCES = {
    "NormalizedDifference": (NormalizedDifference(first=3, second=1), 2, 0),
    "NDVI": (NDVI(nir=4, red=3), 3, 2),
    "NDWI": (NDWI(green=2, nir=4), 1, 3),
    "NDSI": (NDSI(green=2, swir1=5), 1, 4),
    "NBR": (NBR(nir=4, swir2=6), 3, 5),
    "NDBI": (NDBI(swir1=5, nir=4), 4, 3),
}


@pytest.mark.parametrize("name", DIFFERENCES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_normalised_differences_follow_their_formula(name, dtype):
    operator, first, second = DIFFERENCES[name]
    patch = np.random.default_rng(2).integers(1, 120, (6, 5, 7)).astype(dtype)
    a, b = patch[first].astype("float64"), patch[second].astype("float64")
    made = operator(patch)
    assert made.shape == (1, 5, 7)
    assert made.dtype == ("float64" if dtype == "float64" else "float32")
    np.testing.assert_allclose(made[0], (a - b) / (a + b), rtol=2e-7)


def test_values_worked_out_by_hand():
    red, nir, blue = 0.25, 0.75, 0.125
    patch = np.array([[[blue]], [[red]], [[nir]]])
    assert NDVI(nir=3, red=2)(patch).item() == 0.5
    assert SAVI(nir=3, red=2)(patch).item() == 1.5 * 0.5 / 1.5
    assert SAVI(nir=3, red=2, soil=0)(patch).item() == 0.5
    assert EVI(nir=3, red=2, blue=1)(patch).item() == 2.5 * 0.5 / (0.75 + 1.5 - 0.9375 + 1)


def test_unsigned_integers_do_not_wrap_around():
    patch = np.array([[[60000, 65535]], [[10000, 65535]]], dtype="uint16")
    np.testing.assert_array_equal(NDVI(nir=2, red=1)(patch), np.array([[[-5 / 7, 0]]], dtype="float32"))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_what_is_undefined_is_nan_without_a_warning(dtype):
    patch = np.array([[[0, 1]], [[0, 3]]], dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(NDVI(nir=2, red=1)(patch), [[[np.nan, 0.5]]])


def test_a_denominator_of_0_gives_no_infinity():
    patch = np.array([[[-2.0, np.nan, np.inf]], [[2.0, 1.0, np.inf]]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(NDVI(nir=2, red=1)(patch)).all()


def test_a_mask_of_either_band_is_kept_and_that_of_others_is_not():
    mask = np.zeros((3, 1, 3), dtype=bool)
    mask[0, 0, 0] = mask[1, 0, 1] = mask[2, 0, 2] = True
    patch = np.ma.array(np.full((3, 1, 3), 5, dtype="uint8"), mask=mask)
    made = NDVI(nir=2, red=1)(patch)
    np.testing.assert_array_equal(made.mask, [[[True, True, False]]])
    assert made[0, 0, 2] == 0.0


@given(
    hnp.arrays("int32", st.tuples(st.integers(1, 3), st.just(3), st.integers(1, 4), st.integers(1, 4)),
               elements=st.integers(-50, 50)),
    st.sampled_from([NDVI(nir=3, red=2), SAVI(nir=1, red=2), EVI(nir=3, red=2, blue=1)]),
)  # fmt: skip
def test_a_batch_is_its_patches(batch, operator):
    np.testing.assert_array_equal(operator(batch), np.stack([operator(patch) for patch in batch]))


@pytest.mark.parametrize("operator", [NDVI(nir=4, red=3), EVI(nir=4, red=3, blue=1), SAVI(nir=4, red=3)])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_in_patches_it_is_as_on_the_whole(operator, batch_size):
    image = np.random.default_rng(3).integers(0, 9000, (4, 40, 56)).astype("uint16")
    image[2:, 10:14, 20:30] = 0  # undefined, for NDVI
    pipeline = Scale(1e-4) | operator
    made = geopatcher.reconstruct(image, pipeline, size=16, step=8, batch_size=batch_size).array
    np.testing.assert_allclose(np.reshape(made, (1, 40, 56)), pipeline(image), rtol=1e-5, atol=1e-6)
    assert np.isnan(made[..., 10:14, 20:30]).all() == np.isnan(operator(np.zeros((4, 1, 1)))).all()


def test_masked_integers_are_missing_in_the_result():
    image = np.array([[[0, 30], [30, 30]], [[10, 10], [10, 0]]], dtype="uint8")
    source = geopatcher.fields.array_source.ArraySource.of(image, nodata=0)
    made = geopatcher.reconstruct(
        geopatcher.RasterField(source), geopatcher.masked(NDVI(nir=1, red=2)), size=2
    ).array
    np.testing.assert_array_equal(made.reshape(2, 2), [[np.nan, 0.5], [0.5, np.nan]])


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: NDVI(nir=0, red=1), ValueError, "nir of NDVI is 0: bands are numbered from 1"),
        (lambda: EVI(nir=1, red=2, blue="3"), TypeError, "blue of EVI is '3': a band is a whole number"),
        (
            lambda: NDVI(nir=8, red=4)(np.zeros((4, 2, 2))),
            ValueError,
            r"NDVI takes band 8, and .*\(4, 2, 2\) has 4",
        ),
        (lambda: NDVI(nir=2, red=1)(np.zeros((2, 2))), ValueError, r"NDVI takes patches .* shape \(2, 2\)"),
    ],
)
def test_wrong_bands_are_errors_with_the_values(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_they_say_what_they_are_and_pickle():
    config = pickle.loads(pickle.dumps(SAVI(nir=8, red=4, soil=1))).get_config()  # noqa: S301 - our own bytes
    assert json.loads(json.dumps(config)) == {
        "name": "SAVI",
        "type": "SAVI",
        "bands": {"nir": 8, "red": 4},
        "soil": 1.0,
    }
    for operator, *_ in DIFFERENCES.values():
        again = pickle.loads(pickle.dumps(operator))  # noqa: S301 - our own bytes
        assert again.get_config() == operator.get_config()
        assert getattr(geotoolz, again.name) is type(operator)
