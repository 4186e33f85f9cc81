from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.declared import (
    as_declared,
    declared_dtype,
    declared_nodata,
    declared_texts,
    outline_of,
)

BOX = Box(0, 1, 0, 3)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("uint16", "uint16"),
        (np.float32, "float32"),
        (">i4", "int32"),
        ("torch.float32", None),
        ("U3", None),
        (None, None),
    ],
)
def test_a_dtype_that_is_said(said, wanted):
    found = declared_dtype(SimpleNamespace(dtype=said))
    assert found == (None if wanted is None else np.dtype(wanted))
    assert found is None or found.isnative


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (None, None),
        (5, 5),
        (np.int16(-9), -9),
        (1.5, 1.5),
        ((7, 7), 7),
        ([], None),
        ((np.nan, np.float32("nan")), np.nan),
    ],
)
def test_a_nodata_value_that_is_said(said, wanted):
    found = declared_nodata(SimpleNamespace(nodata=said))
    np.testing.assert_equal(found, wanted)
    assert type(found) is type(wanted)
    assert declared_nodata("a text") is None


def test_a_nodata_value_that_cannot_be():
    with pytest.raises(TypeError, match="nodata of a SimpleNamespace is 'none': give a number"):
        declared_nodata(SimpleNamespace(nodata="none"))
    with pytest.raises(ValueError, match=r"is \(0, 255\), not the same in all bands"):
        declared_nodata(SimpleNamespace(nodata=(0, 255)))


def test_texts_are_one_for_each_band():
    assert declared_texts(["m", "K"], 2) == ("m", "K")
    assert declared_texts(["m"], 2) == declared_texts("mm", 2) == declared_texts([1, "m"], 2) == ()


@pytest.mark.parametrize(
    ("pixels", "dtype"),
    [
        (np.array([[[1, 2, 255]]], "int64"), "uint8"),
        (np.array([[[1.0, 2.0, -3.0]]]), "int16"),
        (np.ma.array([[[1.0, np.nan, 900.0]]], mask=[[[False, True, True]]]), "uint8"),
        (np.array([[[0.1, 0.2, 0.3]]]), "float32"),
    ],
)
def test_pixels_become_what_was_said_where_they_stay_what_they_are(pixels, dtype):
    found = as_declared(pixels, np.dtype(dtype), "it", BOX)
    if dtype != "float32":
        assert found.dtype == dtype
        np.testing.assert_array_equal(np.ma.compressed(found), np.ma.compressed(pixels))
    else:
        assert found is pixels


@pytest.mark.parametrize("wrong", [256.0, -1.0, 1.5, np.nan])
def test_a_pixel_that_would_become_another_is_named(wrong):
    words = rf"it gave float64 pixels for {BOX}, and its domain says uint8, which cannot hold {wrong}"
    with pytest.raises(SourceError, match=words):
        as_declared(np.array([[[1.0, wrong, 3.0]]]), np.dtype("uint8"), "it", BOX)


def test_an_outline_is_a_domain_known_without_reading():
    source = ArraySource.of(np.zeros((2, 3, 4)))
    assert outline_of(source) is source.domain
    outlined = SimpleNamespace(outline="the outline")
    assert outline_of(outlined) == "the outline"
