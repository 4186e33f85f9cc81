"""Patches read ahead: the same ones, no more than asked for, and no thread left."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.api.ahead import UNBOUNDED, InFlight

IMAGE = np.random.default_rng(2).random((40, 64))


class Counting:
    """A field that counts its windows."""

    domain = gp.RasterDomain(IMAGE.shape, dtype=IMAGE.dtype)

    def __init__(self, failing=None):
        self.n_read, self.failing = 0, failing

    def select(self, window):
        self.n_read += 1
        if self.n_read == self.failing:
            raise KeyError("gone")
        rows, cols = window.toslices()
        return IMAGE[rows, cols]


def patcher(**how):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(8), gp.SpatialHann(), gp.SpatialOverlapAdd(), **how
    )


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "geopatcher-read"]


def settled(field, n):
    """Wait until a field was read so often, or for a moment in which it should not be read more often."""
    for _ in range(200):
        if field.n_read > n:
            break
        time.sleep(0.001)
    return field.n_read


@pytest.mark.parametrize(
    "how", [{"prefetch": 1}, {"prefetch": 5}, {"prefetch": 99, "max_in_flight_bytes": 1}]
)
@pytest.mark.parametrize("source", [IMAGE, Counting()])
def test_the_patches_are_the_same(how, source):
    wanted = list(patcher().split(IMAGE))
    got = list(patcher().split(source, **how))
    assert [patch.anchor for patch in got] == [patch.anchor for patch in wanted]
    assert all(np.array_equal(one.data, other.data) for one, other in zip(got, wanted, strict=True))
    assert readers() == []


@pytest.mark.parametrize(
    ("how", "ahead"),
    [
        ({}, 0),
        ({"prefetch": 3}, 3),
        ({"prefetch": 9, "max_in_flight": 4}, 3),
        ({"prefetch": 9, "max_in_flight": 1}, 0),
        ({"prefetch": 9, "max_in_flight_bytes": 2 * 8 * 8 * 8}, 3),  # two wait, one is in the thread's hands
    ],
)
def test_no_more_is_read_than_asked_for(how, ahead):
    field = Counting()
    stream = patcher().split(field, **how)
    assert field.n_read == 0
    for taken in range(1, 9):
        next(stream)
        assert settled(field, taken + ahead) == taken + ahead
    stream.close()
    assert readers() == []


def test_errors_come_where_their_patch_would_have():
    field = Counting(failing=4)
    stream = patcher().split(field, prefetch=9)
    assert len([next(stream) for _ in range(3)]) == 3
    with pytest.raises(KeyError, match="gone") as caught:
        next(stream)
    assert caught.value.__notes__ == ["while reading rows 0:8, columns 24:32 of Counting float64 (40, 64)"]
    assert readers() == []


def test_failed_patches_are_left_out_as_without():
    made = patcher(on_error="skip")
    assert len(list(made.split(Counting(failing=4), prefetch=3))) == 39
    assert [error.anchor for error in made.errors] == [(0, 24)]


def test_bounds_that_are_none_are_refused():
    assert InFlight.of(0) == InFlight(0, UNBOUNDED)
    with pytest.raises(ValueError, match="prefetch must be 0 or more patches, not -1"):
        patcher().split(IMAGE, prefetch=-1)
    with pytest.raises(ValueError, match="max_in_flight must be 1 or more patches, not 0: None is no limit"):
        patcher().split(IMAGE, max_in_flight=0)
