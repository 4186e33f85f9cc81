"""Times along a leading dimension."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.labelled_steps import first_steps, nanoseconds_of
from geopatcher.core.leading import Dimension


def times(values, units="days since 2000-01-01"):
    return Dimension("time", len(values), tuple(values), "<f8", (("units", units),))


@pytest.mark.parametrize("unit", ["days", "day", "D", "hours", "h", "minutes", "seconds", "s", "ms"])
def test_units_are_those_of_cf(unit):
    pd = pytest.importorskip("pandas")
    wanted = [pd.Timedelta(f"{number} {unit}").value for number in (1, 3)]
    assert nanoseconds_of(times([1, 3], f"{unit} since 1999-01-01 00:00:00")) == wanted
    assert nanoseconds_of(times([1.0, 3.0], unit)) == wanted


@pytest.mark.parametrize("units", ["", "m/s", "months since 2000-01-01", "years", "K", "1"])
def test_what_is_no_time_is_refused(units):
    with pytest.raises(ValueError, match="no times that are counted in a fixed unit"):
        nanoseconds_of(times([1, 2], units))


@given(st.lists(st.integers(0, 50), max_size=30).map(sorted), st.integers(1, 60))
def test_windows_begin_less_than_a_span_before(days, span):
    found = first_steps(times(days), np.timedelta64(span, "D"))
    for step, (at, first) in enumerate(zip(days, found, strict=True)):
        assert list(range(first, step + 1)) == [n for n in range(step + 1) if days[n] > at - span]
