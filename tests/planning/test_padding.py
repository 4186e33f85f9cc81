"""What patches that overhang are filled with."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.planning.padding import fill_value


@pytest.mark.parametrize(
    ("pad_value", "nodata", "dtype", "expected"),
    [
        (None, None, "uint8", 0),
        (None, 7, "uint8", 7),
        (None, -9999, "uint8", 0),
        (None, -9999, "int16", -9999),
        (None, -9999, "float32", 0),
        (3, -9999, "int16", 3),
        (0.5, None, "float32", 0.5),
    ],
)
def test_a_value_that_pixels_can_hold(pad_value, nodata, dtype, expected):
    assert fill_value(pad_value, nodata, np.dtype(dtype), "a.tif") == expected


@pytest.mark.parametrize("pad_value", [-1, 256, 0.5, float("nan")])
def test_one_that_they_cannot_hold_is_named(pad_value):
    with pytest.raises(ValueError, match=r"does not fit pixels of uint8 \(a\.tif\)"):
        fill_value(pad_value, None, np.dtype("uint8"), "a.tif")
