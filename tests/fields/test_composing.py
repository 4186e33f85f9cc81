"""Pictures over each other, against NumPy's masked arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from geopatcher.core.box import Box
from geopatcher.fields.composing import (
    MedianStack,
    blocks_shape,
    deepest,
    held_in,
    piece_shape,
    put_under,
    tile_shape,
    unknown_part,
)

ALL = (slice(None), slice(None))
DTYPES = ("uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "uint64", "float32", "float64")


def pictures(dtype, depth=5):
    cells = npst.arrays(dtype, (depth, 1, 3, 4), elements=npst.from_dtype(np.dtype(dtype), allow_nan=False))
    return st.tuples(cells, npst.arrays(bool, (depth, 1, 3, 4)))


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype[0] != "f"])
@given(data=st.data())
def test_the_median_of_integers_is_exact(dtype, data):
    """Python's own integers do not overflow: halves are rounded to even."""
    cells, held = data.draw(pictures(dtype, data.draw(st.integers(1, 6))))
    stack = MedianStack(len(cells), cells.shape[1:], np.dtype(dtype))
    for picture, said in zip(cells, held, strict=True):
        stack.add(ALL, picture, said)
    found, known = stack.median(0)
    np.testing.assert_array_equal(known, held.any(axis=0))
    for place in np.ndindex(*known.shape):
        values = sorted(int(value) for value in cells[:, *place][held[:, *place]])
        if not values:
            assert found[place] == 0
            continue
        twice = values[(len(values) - 1) // 2] + values[len(values) // 2]
        expected = twice // 2 + (twice % 2 and twice // 2 % 2)
        assert int(found[place]) == expected


@given(
    npst.arrays("float64", (4, 1, 3, 4), elements=st.floats(-1e300, 1e300, allow_subnormal=False)), st.data()
)
def test_the_median_of_floats_is_that_of_what_is_a_number(cells, data):
    gaps = data.draw(npst.arrays(bool, cells.shape))
    cells = np.where(gaps, np.nan, cells)
    stack = MedianStack(9, cells.shape[1:], cells.dtype)
    for picture in cells:
        stack.add(ALL, picture, None)
    found, known = stack.median(np.nan)
    expected = np.ma.median(np.ma.masked_invalid(cells), axis=0).filled(np.nan)
    np.testing.assert_array_equal(known, (~gaps).any(axis=0))
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_infinities_have_a_median():
    stack = MedianStack(2, (1, 1, 3), np.dtype("float32"))
    for values in ([np.inf, -np.inf, 1], [np.inf, 3, np.inf]):
        stack.add(ALL, np.array([[values]], "float32"), None)
    np.testing.assert_array_equal(stack.median(0)[0], [[[np.inf, -np.inf, np.inf]]])


@given(pictures("int16"))
def test_the_first_that_holds_data_is_seen(drawn):
    cells, held = drawn
    pixels, known = np.zeros(cells.shape[1:], "int16"), np.zeros(cells.shape[1:], bool)
    for picture, said in zip(cells, held, strict=True):
        put_under(pixels, known, ALL, picture, said)
    for place in np.ndindex(*known.shape):
        holds = np.flatnonzero(held[:, *place])
        assert known[place] == bool(holds.size)
        assert pixels[place] == (cells[holds[0], *place] if holds.size else 0)


def test_nan_holds_nothing():
    cells = np.array([[[1, np.nan]]])
    assert held_in(cells, None).tolist() == [[[True, False]]]
    assert held_in(cells, np.array([[[False, True]]])).tolist() == [[[False, False]]]
    assert held_in(np.array([[[1, 2]]]), None) is None


@given(npst.arrays(bool, (2, 6, 7)))
def test_what_is_left_is_bounded(known):
    piece, box = Box(10, 16, 20, 27), Box(11, 99, 0, 26)
    part = unknown_part(known, piece, box)
    left = [
        (row, col) for row in range(11, 16) for col in range(20, 26) if not known[:, row - 10, col - 20].all()
    ]
    if not left:
        assert part.empty
        return
    rows, cols = zip(*left, strict=True)
    assert part == Box(min(rows), max(rows) + 1, min(cols), max(cols) + 1)


def test_sizes_stay_within_what_is_allowed():
    for cell_bytes in (1, 8, 1000, 10**6, 10**12):
        rows, cols = tile_shape((256, 512), cell_bytes, 16 << 20)
        assert rows * cols * cell_bytes <= 16 << 20 or (rows, cols) == (1, 1)
    assert piece_shape((256, 512), 100, 16 << 20) == (256, 512)
    assert deepest([Box(0, 1, 0, 1)]) == 1


@given(
    st.integers(1, 600), st.integers(1, 600), st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 99)
)
def test_whole_blocks_stay_within_what_is_allowed(rows, cols, height, width, cell_bytes):
    found = blocks_shape((rows, cols), (height, width), cell_bytes, 1 << 20)
    if found is None:
        assert rows * cols * cell_bytes > 1 << 20
        return
    assert found[0] % rows == found[1] % cols == 0
    assert found[0] * found[1] * cell_bytes <= 1 << 20
    assert found[0] < height + rows
    assert found[1] < width + cols


def test_pictures_are_not_written_into_and_no_more_are_taken_than_there_is_room_for():
    first, second = (np.array([[values]], "int16") for values in ([9, 2], [1, 5]))
    stack = MedianStack(2, (1, 1, 2), np.dtype("int16"))
    stack.add(ALL, first, None)
    stack.add(ALL, second, np.array([[[True, False]]]))
    with pytest.raises(ValueError, match="room for 2 pictures"):
        stack.add(ALL, first, None)
    assert stack.median(0)[0].tolist() == [[[5, 2]]]
    assert (first.tolist(), second.tolist()) == ([[[9, 2]]], [[[1, 5]]])
