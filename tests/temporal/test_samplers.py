"""The steps that patches belong to."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from geopatcher.temporal.samplers import (
    TemporalCausalRolling,
    TemporalEventTriggered,
    TemporalExplicit,
    TemporalRandom,
    TemporalRegularStride,
    TemporalStencilSampler,
    anchors_of,
)
from geopatcher.temporal.stencils import Stencil, TimeStencil, valid_origin_points

HOURS = np.datetime64("2026-01-01T00") + np.arange(24)
STENCIL = TimeStencil("-9h", "3h", "1h")


def test_strides_begin_at_the_first_step_and_rolling_where_it_is_told():
    assert TemporalRegularStride().anchors(3) == [0, 1, 2]
    assert TemporalRegularStride(step=4).anchors(10) == [0, 4, 8]
    assert TemporalCausalRolling().anchors(3) == [0, 1, 2]
    assert TemporalCausalRolling(step=3, start=2).anchors(10) == [2, 5, 8]
    assert TemporalCausalRolling(start=5).anchors(3) == []
    assert TemporalRegularStride().anchors(0) == []


def test_events_outside_are_left_out_and_explicit_steps_are_not():
    assert TemporalEventTriggered([9, -1, 3, 10]).anchors(10) == [9, 3]
    assert TemporalExplicit(np.array([7, 2, 7])).anchors(10) == [7, 2, 7]
    assert TemporalExplicit(iter([])).anchors(10) == []
    with pytest.raises(
        ValueError, match=r"2 of 3 times are no steps of a series of 10 \(0 to 9\), the first is -1"
    ):
        TemporalExplicit([-1, 3, 10]).anchors(10)


@pytest.mark.parametrize("kind", [TemporalEventTriggered, TemporalExplicit])
def test_datetimes_are_no_steps(kind):
    for times in (HOURS[:2], [0.5, 1.0], [[1, 2]]):
        with pytest.raises(ValueError, match="whole numbers counted from 0"):
            kind(times)


def test_random_steps_are_the_same_in_every_call_and_process():
    sampler = TemporalRandom(n=50, seed=3)
    assert sampler.anchors(30) == sampler.anchors(30) == TemporalRandom(50, 3).anchors(30)
    assert set(sampler.anchors(30)) <= set(range(30))
    assert len(TemporalRandom().anchors(30)) == 1
    assert TemporalRandom(5).anchors(10**6) != TemporalRandom(5).anchors(10**6)
    drawn = TemporalRandom(5)
    assert drawn.anchors(10**6) == drawn.anchors(10**6)
    assert sampler.anchors(0) == []
    code = "from geopatcher.temporal.samplers import TemporalRandom as R; print(list(R(50, 3).anchors(30)))"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(there.stdout) == list(sampler.anchors(30))


def test_random_steps_are_equally_likely():
    counts = np.bincount(list(TemporalRandom(30_000, seed=1).anchors(10)), minlength=10)
    assert np.abs(counts - 3_000).max() < 5 * np.sqrt(3_000)


def test_stencil_anchors_are_those_around_which_it_fits_whole():
    sampler = TemporalStencilSampler(STENCIL)
    assert sampler.needs_coord
    assert sampler.anchors_coord(HOURS) == list(range(9, 22))
    assert HOURS[list(sampler.anchors_coord(HOURS))].tolist() == valid_origin_points(HOURS, STENCIL).tolist()
    assert TemporalStencilSampler(STENCIL, every=5).anchors_coord(HOURS) == [9, 14, 19]
    shuffled = TemporalStencilSampler(STENCIL, shuffle=True, seed=2)
    assert shuffled.anchors_coord(HOURS) == shuffled.anchors_coord(HOURS)
    assert shuffled.anchors_coord(HOURS) != list(range(9, 22))
    assert sorted(shuffled.anchors_coord(HOURS)) == list(range(9, 22))
    with pytest.raises(TypeError, match="anchors_coord"):
        sampler.anchors(24)
    with pytest.raises(TypeError, match="not str"):
        TemporalStencilSampler("9h")


def test_gaps_leave_out_what_would_reach_over_them():
    gap = np.delete(HOURS, 12)
    assert TemporalStencilSampler(TimeStencil("-1h", "1h", "1h", closed="both")).anchors_coord(gap) == [
        *range(1, 11),
        *range(13, 22),
    ]


def test_others_take_the_length_of_the_coordinate():
    assert TemporalRegularStride(10).anchors_coord(HOURS) == anchors_of(TemporalRegularStride(10), 24, None)
    assert anchors_of(TemporalStencilSampler(STENCIL), 24, HOURS) == list(range(9, 22))


@pytest.mark.parametrize(
    "make",
    [
        lambda: TemporalRegularStride(0),
        lambda: TemporalCausalRolling(0),
        lambda: TemporalCausalRolling(start=-1),
        lambda: TemporalRandom(-1),
        lambda: TemporalRandom(1, seed=-1),
        lambda: TemporalStencilSampler(STENCIL, every=0),
    ],
)
def test_wrong_numbers_are_refused(make):
    with pytest.raises(ValueError, match=r"not -?\d"):
        make()


@pytest.mark.parametrize(
    "sampler",
    [
        TemporalRegularStride(3),
        TemporalCausalRolling(2, 5),
        TemporalEventTriggered([1, 5]),
        TemporalRandom(4, 7),
        TemporalExplicit([3, 1]),
        TemporalStencilSampler(STENCIL, 2, shuffle=True, seed=4),
        TemporalStencilSampler(Stencil(0, 2, 1)),
    ],
)
def test_configs_make_them_again(sampler):
    config = json.loads(json.dumps(sampler.get_config()))
    assert type(sampler).from_config(config) == sampler
