"""Coordinates through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from geopatcher.core.coordinate_json import coordinate_from_json, coordinate_to_json
from geopatcher.core.grid_domain import same_coordinate

DTYPES = st.one_of(
    numpy_strategies.boolean_dtypes(),
    numpy_strategies.integer_dtypes(),
    numpy_strategies.floating_dtypes(sizes=(16, 32, 64)),
    st.sampled_from([np.dtype(f"m8[{unit}]") for unit in ("W", "D", "h", "ms", "25ns")]),
)


def through_json(values):
    return coordinate_from_json(json.loads(json.dumps(coordinate_to_json(values), allow_nan=False)))


@given(DTYPES.flatmap(lambda dtype: numpy_strategies.arrays(dtype, st.integers(0, 4))))
def test_numbers_and_spans_of_time_come_back(values):
    back = through_json(values)
    assert back.dtype == values.dtype
    assert same_coordinate(values, back)


@given(
    st.lists(st.datetimes() | st.just("NaT"), max_size=4), st.sampled_from(["Y", "M", "D", "h", "s", "us"])
)
def test_dates_come_back(dates, unit):
    values = np.array(dates, "M8[us]").astype(f"M8[{unit}]")
    back = through_json(values)
    assert back.dtype == values.dtype
    assert same_coordinate(values, back)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_texts_come_back(texts):
    for values in (np.array(texts), np.array(texts, dtype=object)):
        back = through_json(values)
        assert back.dtype == values.dtype
        assert same_coordinate(values, back)


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "julian", "proleptic_gregorian"])
def test_dates_of_other_calendars_come_back(calendar):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("cftime")
    dates = xarray.date_range("2000-02-27", periods=4, freq="31h", calendar=calendar, use_cftime=True)
    back = through_json(dates.values)
    assert back.tolist() == dates.tolist()
    assert {date.calendar for date in back} == {calendar}


@pytest.mark.parametrize(
    "values", [np.array([1j]), np.array([object()]), np.array([b"a"]), np.array([1, "a"], "O")]
)
def test_what_json_has_nothing_for_is_refused(values):
    with pytest.raises(TypeError, match="cannot be told in a configuration: give numbers, texts or dates"):
        coordinate_to_json(values)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"dtype": "<f8"},
        {"dtype": "<f8", "values": [1], "more": 2},
        {"dtype": "O", "values": [1]},
        {"dtype": "f4,f4", "values": [1]},
        {"dtype": "<M8[D]", "values": ["someday"]},
        {"dtype": "<f8", "values": ["many"]},
        {"dtype": "str", "values": [1]},
    ],
)
def test_what_is_no_coordinate_is_refused(record):
    with pytest.raises(ValueError, match="."):
        coordinate_from_json(record)
