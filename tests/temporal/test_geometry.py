"""Which steps belong to the patch at an anchor, by brute force."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.temporal.geometry import (
    TemporalFixedLookback,
    TemporalLookbackHorizon,
    TemporalMultiScale,
    TemporalPhaseWindow,
    TemporalStencilGeometry,
    windows_of,
)
from geopatcher.temporal.stencils import Stencil, TimeStencil

HOURS = np.datetime64("2026-01-01T00") + np.arange(24)
SERIES = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1)))


def steps(cut, n):
    return list(range(n))[cut]


@given(SERIES, st.integers(1, 12), st.integers(0, 12))
def test_look_backs_and_horizons_are_those_steps_that_there_are(series, length, horizon):
    n, at = series
    wanted = [t for t in range(at - length + 1, at + 1) if 0 <= t < n]
    assert steps(TemporalFixedLookback(length).window(n, at), n) == wanted
    wanted += [t for t in range(at + 1, at + horizon + 1) if t < n]
    assert steps(TemporalLookbackHorizon(length, horizon).window(n, at), n) == wanted


def test_whole_windows_are_plain_slices():
    assert TemporalFixedLookback(3).window(10, 5) == slice(3, 6)
    assert TemporalLookbackHorizon(lookback=3, horizon=2).window(10, 5) == slice(3, 8)
    assert TemporalMultiScale(scales=[2, 4]).window(10, 5) == [slice(4, 6), slice(2, 6)]


@given(SERIES, st.integers(1, 12), st.integers(0, 6))
def test_phase_windows_have_all_steps_near_the_phase_once(series, period, width):
    n, at = series
    wanted = [t for t in range(n) if min((t - at) % period, (at - t) % period) <= width]
    cuts = TemporalPhaseWindow(period, width).window(n, at)
    assert [t for cut in cuts for t in steps(cut, n)] == wanted


@pytest.mark.parametrize(
    "geometry",
    [
        TemporalFixedLookback(3),
        TemporalLookbackHorizon(3, 1),
        TemporalMultiScale([3]),
        TemporalPhaseWindow(3, 0),
    ],
)
def test_an_anchor_outside_is_refused(geometry):
    for at in (-1, 10):
        with pytest.raises(ValueError, match=f"anchor {at} is no step of a series of 10: 0 to 9"):
            geometry.window(10, at)
    assert geometry.needs_coord is False
    assert geometry.window_coord(HOURS, 5) == geometry.window(24, 5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TemporalFixedLookback(0),
        lambda: TemporalLookbackHorizon(0, 1),
        lambda: TemporalLookbackHorizon(1, -1),
        lambda: TemporalMultiScale(()),
        lambda: TemporalMultiScale((4, 0)),
        lambda: TemporalPhaseWindow(0, 0),
        lambda: TemporalPhaseWindow(3, -1),
    ],
)
def test_wrong_lengths_are_refused(make):
    with pytest.raises(ValueError, match=r"steps"):
        make()


def test_lengths_are_whole_numbers():
    with pytest.raises(TypeError):
        TemporalFixedLookback(2.5)


def test_a_stencil_is_found_in_the_coordinate():
    geometry = TemporalStencilGeometry(TimeStencil("-9h", "3h", "1h"))
    assert geometry.needs_coord
    assert geometry.window_coord(HOURS, 9) == slice(0, 12)
    assert windows_of(geometry, 24, HOURS, 9) == [slice(0, 12)]
    with pytest.raises(TypeError, match="window_coord"):
        geometry.window(24, 9)
    with pytest.raises(ValueError, match="does not fit at 2026-01-01T08"):
        geometry.window_coord(HOURS, 8)
    with pytest.raises(ValueError, match="no step of a series of 24"):
        geometry.window_coord(HOURS, 24)


def test_a_stencil_with_strides_is_refused():
    with pytest.raises(ValueError, match="is 3 steps of the series"):
        TemporalStencilGeometry(TimeStencil("-9h", "3h", "3h")).window_coord(HOURS, 12)
    with pytest.raises(ValueError, match="is 3 steps of the series"):
        TemporalStencilGeometry(TimeStencil("-9h", "3h", "3h"), source_step="1h")
    with pytest.raises(ValueError, match="not a whole number of steps of"):
        TemporalStencilGeometry(TimeStencil("-9h", "3h", "1h"), source_step="2h")
    with pytest.raises(TypeError, match="not tuple"):
        TemporalStencilGeometry((1, 2))
    assert TemporalStencilGeometry(Stencil(0, 4, 2), source_step=2).window_coord(
        np.arange(0, 20, 2), 3
    ) == slice(3, 5)


@pytest.mark.parametrize(
    "geometry",
    [
        TemporalFixedLookback(3),
        TemporalLookbackHorizon(3, 1),
        TemporalMultiScale([3, 9]),
        TemporalPhaseWindow(12, 1),
        TemporalStencilGeometry(TimeStencil("-9h", "3h", "1h"), "1h"),
        TemporalStencilGeometry(Stencil(-2, 1, 1)),
    ],
)
def test_configs_make_them_again(geometry):
    config = json.loads(json.dumps(geometry.get_config()))
    assert type(geometry).from_config(config) == geometry


def test_parts_of_a_config_have_a_class_and_a_config():
    assert TemporalFixedLookback(3).get_config() == {"length": 3}
    assert TemporalStencilGeometry(TimeStencil("-9h", "3h", "1h")).get_config() == {
        "stencil": {
            "class": "TimeStencil",
            "config": {"start": "-9h", "stop": "3h", "step": "1h", "closed": "left"},
        },
        "source_step": None,
    }
