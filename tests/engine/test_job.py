from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp

IMAGE = np.arange(20 * 30, dtype="int16").reshape(20, 30) % 100


def result_of(operator=np.copy, source=IMAGE, **options):
    return gp.reconstruct(source, operator, size=8, **options).domain


@pytest.mark.parametrize(
    ("returned", "stored"),
    [
        ("bool", "uint8"),
        ("float16", "float32"),
        (">i2", "int16"),
        ("uint32", "uint32"),
        ("float32", "float32"),
        ("longdouble", "float64"),
    ],
)
def test_a_result_has_the_nearest_dtype_that_stores_hold(tmp_path, returned, stored):
    domain = result_of(lambda x: x.astype(returned), target=tmp_path / "x.zarr", aggregation="max")
    assert domain.dtype == stored
    assert domain.dtype.isnative
    assert result_of(dtype="float64").dtype == "float64"


def test_names_and_units_stay_where_the_result_is_of_the_sources_kind():
    domain = gp.RasterDomain(
        (2, 20, 30), dtype=np.dtype("int16"), band_names=("red", "nir"), units=("m", "K")
    )
    field = gp.RasterField(gp.fields.array_source.ArraySource(np.stack([IMAGE, IMAGE]), domain))
    same = result_of(source=field)
    assert (same.band_names, same.units) == (("red", "nir"), ("m", "K"))
    assert result_of(source=field, aggregation="sum").units == ()
    assert result_of(lambda x: x.astype("float32"), field).units == ()
    fewer = result_of(lambda x: x[:1], field)
    assert (fewer.band_names, fewer.units, fewer.n_bands) == (("b1",), (), 1)


@pytest.mark.parametrize(
    ("options", "nodata"),
    [
        ({}, 99),
        ({"nodata": -5}, -5),
        ({"nodata": "inherit"}, 99),
        ({"aggregation": "sum"}, None),
        ({"aggregation": "hard-vote:100"}, 255),
        ({"operator": lambda x: x.astype("float32")}, np.nan),
    ],
)
def test_what_stands_for_missing(options, nodata):
    image = IMAGE.copy()
    image[IMAGE == 99] = 98
    image[3, 4] = 99
    found = result_of(source=gp.RasterField.from_array(image, nodata=99), **options).nodata
    np.testing.assert_equal(found, nodata)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"nodata": 40_000}, "nodata=40000 does not fit a result of int16: choose another value"),
        ({"nodata": 0.5}, "nodata=0.5 does not fit a result of int16"),
        (
            {"nodata": "inherit"},
            'nodata="inherit" asks for the nodata value of the source, which has no single one',
        ),
    ],
)
def test_a_value_that_cannot_stand_for_missing_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        result_of(**options)
