"""Spans of time as text; pandas is the oracle."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.durations import duration, duration_text

pd = pytest.importorskip("pandas")


@pytest.mark.parametrize(
    "text",
    [
        "-9h",
        "+3h",
        "30min",
        "2D",
        "2 days",
        "1W",
        "45s",
        "250ms",
        "7us",
        "9ns",
        " 1 hour ",
        "0h",
        "1.5h",
        "-1.5h",
        "0.1s",
        "1h30min",
        "-1h30min",
        "1D12h",
        "1 days 6 hours",
        "0.000001s",
        "1.25D",
        "-0.5h",
        "1h 0min",
        "+2.0h",
    ],
)
def test_text_is_read_as_pandas_reads_it(text):
    assert duration(text) == pd.Timedelta(text.strip()).to_timedelta64()


@pytest.mark.parametrize(
    "text",
    ["", "9", "h", "1.h", ".5h", "1h30", "1h-30min", "3 fortnights", "1M", "1Y", "1 month", "1h1M", "--1h"],
)
def test_what_is_no_fixed_span_is_refused(text):
    with pytest.raises(ValueError, match="no span of time"):
        duration(text)


def test_parts_of_a_nanosecond_are_refused():
    assert duration("0.000000001s") == np.timedelta64(1, "ns")
    with pytest.raises(ValueError, match="no whole number of nanoseconds"):
        duration("1.5ns")


@pytest.mark.parametrize(
    ("text", "unit"), [("36h", "h"), ("1.5h", "m"), ("2.0h", "h"), ("1D12h", "h"), ("0.5D", "h"), ("7D", "D")]
)
def test_units_are_as_coarse_as_the_text(text, unit):
    assert duration(text).dtype == np.dtype(f"m8[{unit}]")


def test_spans_pass_and_others_do_not():
    assert duration(timedelta(hours=2)) == np.timedelta64(2, "h")
    assert duration(pd.Timedelta(7)) == np.timedelta64(7, "ns")
    assert duration(np.timedelta64(5, "D")) == np.timedelta64(5, "D")
    for calendar in (np.timedelta64(1, "M"), np.timedelta64("NaT", "s"), np.timedelta64(3)):
        with pytest.raises(ValueError, match="fixed length"):
            duration(calendar)
    with pytest.raises(TypeError, match="such as '3h'"):
        duration(3)


@given(st.integers(-(10**6), 10**6), st.sampled_from(["W", "D", "h", "m", "s", "ms", "us", "ns", "6h"]))
def test_text_of_a_span_is_read_as_that_span(n, unit):
    span = np.array(n, f"m8[{unit}]")[()]
    assert duration(duration_text(span)) == span
