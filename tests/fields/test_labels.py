from __future__ import annotations

import numpy as np
import pytest

from geopatcher.fields.labels import names_of, texts_of, units_of


@pytest.mark.parametrize(
    ("labels", "attributes", "wanted"),
    [
        (np.array(["2024-02-29", "2024-03-01T06:30"], "M8[s]"), {}, ("2024-02-29", "2024-03-01T06:30:00")),
        (np.array(["2024-02-29", "2024-03-01T06:30"], "M8[m]"), {}, ("2024-02-29", "2024-03-01T06:30")),
        (np.array(["2024-02-29T00", "2024-03-01T06"], "M8[h]"), {}, ("2024-02-29", "2024-03-01T06")),
        (np.array(["2024-02", "2024-03"], "M8[M]"), {}, ("2024-02", "2024-03")),
        (np.array([59.25]), {"units": "days since 2024-01-01"}, ("2024-02-29T06:00:00",)),
        (
            np.array([2**53 + 1]),
            {"units": "nanoseconds since 1970-01-01"},
            ("1970-04-15T05:59:59.254740993",),
        ),
        (np.array([1.5]), {"units": "s since 2000-01-01 00:00:00Z"}, ("2000-01-01T00:00:01.5",)),
        (np.array([3]), {"units": "days since 2024-01-01", "calendar": "noleap"}, ("3",)),
        (np.array([3]), {"units": "furlongs since 2024-01-01"}, ("3",)),
        (np.array([1e30]), {"units": "days since 2024-01-01"}, ("1e+30",)),
        (np.array([0.49, 2]), {}, ("0.49", "2.0")),
        (np.array(["red"]), {}, ("red",)),
    ],
)
def test_labels_as_text(labels, attributes, wanted):
    assert texts_of(labels, attributes) == wanted


@pytest.mark.parametrize(
    ("labels", "attributes", "wanted"),
    [
        (np.array(["red", "nir"]), {"band_names": ["a", "b"]}, ("red", "nir")),
        (np.array([1, 2]), {"band_names": ["a", "b"]}, ("a", "b")),
        (np.array([1, 2]), {"long_name": ("a", "b", "c")}, ("b1", "b2")),
        (np.array([0, 1]), {}, ("b1", "b2")),
        (np.array([4, 8]), {}, ("4", "8")),
        (None, {"long_name": "temperature"}, ("b1", "b2")),
    ],
)
def test_what_bands_are_called(labels, attributes, wanted):
    assert names_of(labels, {}, attributes, 2) == wanted


def test_one_band_may_have_the_name_of_the_array():
    assert names_of(None, {}, {"long_name": "temperature"}, 1) == ("temperature",)
    assert names_of(np.array([7]), {}, {"long_name": "temperature"}, 1) == ("7",)


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({"units": "m"}, ("m", "m")),
        ({"units": "m", "band_units": ["K", None]}, ("K", "")),
        ({"units": ["m"]}, ()),
        ({}, ()),
    ],
)
def test_units_of_bands(attributes, wanted):
    assert units_of(attributes, 2) == wanted
