"""Entries of a patch cache: what is written is what is read, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from geopatcher.api.cache_entries import MOST_ARRAYS, CachedPatch, packed, unpacked

shapes = st.tuples(st.integers(0, 5), st.integers(0, 5))
TWO = np.zeros((2, 2))
any_array = arrays.arrays(st.sampled_from(["u1", "i4", "f8", "?"]), shapes)


@given(given=st.lists(any_array, min_size=1, max_size=MOST_ARRAYS))
def test_arrays_come_back(given):
    found = unpacked(packed(given))
    assert len(found) == len(given)
    for one, other in zip(found, given, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@given(given=any_array, at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_seen(given, at, bit):
    raw = bytearray(packed([given]))
    raw[at % len(raw)] ^= 1 << bit
    assert unpacked(bytes(raw)) is None


def test_more_arrays_than_an_entry_has_are_not_read():
    assert len(unpacked(packed([np.zeros(2)] * 10))) == MOST_ARRAYS


@pytest.mark.parametrize(
    "made",
    [[TWO], [TWO, np.zeros((2, 3), bool), np.zeros(0)], [TWO] * 3],
)
def test_arrays_that_are_no_patch_are_none(made):
    assert CachedPatch.of(made) is None
