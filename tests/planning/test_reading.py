"""What is read around patches: rectangles in, rectangles out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.axis import BOUNDARIES
from geopatcher.core.box import Box
from geopatcher.engine.cuts import mirror
from geopatcher.planning.reading import Reading, margin_pair, scale_from

LENGTHS = st.integers(1, 30)


def span(reading, lo, hi, length, boundary):
    box = reading.shown(Box(lo, hi, 0, 1), Box(0, length, 0, 1000), boundary)
    return box.row0, box.row1


def reached(reading, lo, hi, length, boundary):
    box = reading.reach(Box(lo, hi, 0, 1), Box(0, length, 0, 1000), boundary)
    return box.row0, box.row1


def used(reading, lo, hi, length, boundary):
    """Pixels of an axis a patch is made of, one by one: the oracle."""
    if boundary == "shrink":
        lo, hi = max(lo, 0), min(hi, length)
    index = np.arange(*span(reading, lo, hi, length, boundary))
    if boundary == "pad":
        return set(index[(index >= 0) & (index < length)].tolist())
    return set(mirror(index, length).tolist())


@pytest.mark.parametrize(
    ("lo", "boundary", "expected"),
    [
        (8, "cover", (6, 14)),
        (0, "cover", (0, 8)),
        (1, "cover", (0, 8)),
        (15, "cover", (12, 20)),
        (16, "drop", (12, 20)),
        (16, "raise", (12, 20)),
        (0, "reflect", (-2, 6)),
        (16, "pad", (14, 22)),
        (0, "shrink", (0, 6)),
        (18, "shrink", (16, 20)),
    ],
)
def test_what_is_shown_of_an_axis_of_twenty_pixels(lo, boundary, expected):
    assert span(Reading((2, 0)), lo, lo + 4, 20, boundary) == expected


def test_where_the_raster_is_smaller_than_what_is_shown_it_overhangs_on_both_sides():
    assert span(Reading((3, 0)), 0, 4, 9, "cover") == (-3, 7)
    assert span(Reading((3, 0)), 0, 12, 9, "cover") == (-3, 15)


@given(LENGTHS, st.integers(-8, 29), st.integers(1, 12), st.integers(0, 8), st.sampled_from(BOUNDARIES))
def test_a_patch_is_shown_itself_and_its_margin_and_reads_what_that_takes(length, lo, size, margin, boundary):
    lo = min(lo, length - 1)
    if lo + size <= 0:
        return
    reading = Reading((margin, 0))
    start, stop = span(reading, lo, lo + size, length, boundary)
    first, last = reached(reading, lo, lo + size, length, boundary)
    if boundary == "shrink":
        assert 0 <= start <= max(lo, 0) < stop <= length
    else:
        assert start <= lo < lo + size <= stop
        assert stop - start == size + 2 * margin
    assert used(reading, lo, lo + size, length, boundary) <= set(range(first, last))
    assert 0 <= first < last <= length


@given(
    LENGTHS,
    st.lists(st.integers(-8, 29), min_size=1, max_size=4),
    st.integers(1, 12),
    st.integers(0, 8),
    st.sampled_from(BOUNDARIES),
)
def test_a_rectangle_around_patches_reaches_all_they_are_made_of(length, starts, size, margin, boundary):
    starts = [min(lo, length - 1) for lo in starts if min(lo, length - 1) + size > 0]
    if boundary in ("cover", "drop", "raise") and length >= size:
        starts = [min(max(lo, 0), length - size) for lo in starts]
    if not starts:
        return
    reading = Reading((margin, 0))
    first, last = reached(reading, min(starts), max(starts) + size, length, boundary)
    for lo in starts:
        assert used(reading, lo, lo + size, length, boundary) <= set(range(first, last))


def test_without_a_margin_a_rectangle_reaches_itself():
    assert Reading().reach(Box(3, 9, 2, 8), Box(0, 20, 0, 20), "cover") == Box(3, 9, 2, 8)
    assert not Reading((4, 4)).reach(Box(3, 3, 2, 2), Box(0, 20, 0, 20), "cover").n_pixels


@pytest.mark.parametrize("value", [-1, 1.5, "8", (1, 2, 3), [[1], [2, 3]], None])
def test_a_margin_is_pixels_or_a_pair_of_them(value):
    with pytest.raises(ValueError, match="margin is a whole number of pixels, 0 or more, or a pair"):
        margin_pair(value)
    assert (margin_pair(0), margin_pair((3, 4))) == ((0, 0), (3, 4))


def test_a_margin_says_itself_in_a_word():
    assert [str(Reading(margin)) for margin in ((0, 0), (3, 3), (3, 4))] == ["", "margin 3", "margin 3x4"]


@pytest.mark.parametrize(
    ("given", "scale"),
    [
        (0.5, (1, 2)),
        (np.float64(0.25), (1, 4)),
        (1 / 3, (1, 3)),
        (0.1, (1, 10)),
        (1.5, (3, 2)),
        (np.int64(2), (2, 1)),
    ],
)
def test_a_scale_may_be_a_number_of_any_kind(given, scale):
    assert scale_from(given) == Fraction(*scale)
