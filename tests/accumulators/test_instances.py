"""Which labels lie over a cell, and which of them it is of: against a loop over patches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from geopatcher.accumulators.instances import (
    Coding,
    Instances,
    Numbered,
    Provisional,
    candidate_bytes,
    depth_in,
)
from geopatcher.accumulators.pieces import Coverings, Piece, Taper, Tile, unit_taper
from geopatcher.errors import OperatorError

FLOAT = np.dtype("float64")
GRID = (9, 11)


def tile(bands=1):
    return Tile((bands, *GRID), np.dtype("int32"), FLOAT, Coverings())


def piece(box, labels, valid=None):
    """A whole patch at a box of the tile."""
    row, col, height, width = box
    where = (slice(row, row + height), slice(col, col + width))
    crop = (slice(0, height), slice(0, width))
    counts = None if valid is None else valid[np.newaxis]
    return Piece(where, crop, labels[np.newaxis], unit_taper((height, width), FLOAT), counts, (row, col))


def drawn(rng, n):
    """Patches at places of their own, some cells of which do not count."""
    places = rng.permutation([(row, col) for row in range(5) for col in range(6)])[:n].tolist()
    found = []
    for row, col in places:
        height, width = (int(edge) for edge in rng.integers(1, 5, 2))
        labels = rng.integers(0, 4, (height, width)).astype("int32")
        valid = None if rng.random() < 0.5 else rng.random((height, width)) < 0.7
        found.append(((row, col, height, width), labels, valid))
    return found


def by_hand(coding, patches):
    """Return for each cell the number that counts and the others, ascending."""
    cells = [[[] for _ in range(GRID[1])] for _ in range(GRID[0])]
    for (row, col, height, width), labels, valid in patches:
        for r in range(height):
            for c in range(width):
                if valid is None or valid[r, c]:
                    depth = min(r + 1, height - r) * min(c + 1, width - c)
                    number = coding.number((row, col), int(labels[r, c]))
                    cells[row + r][col + c].append((-depth, number))
    made = np.zeros((30, *GRID), np.int64)
    for r, c in np.ndindex(GRID):
        over = sorted(cells[r][c])
        if over:
            made[: len(over), r, c] = [over[0][1], *sorted(number for _, number in over[1:])]
    return made


@how(max_examples=60)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 12))
def test_any_order_and_grouping(seed, n):
    rng = np.random.default_rng(seed)
    coding = Coding.over(GRID, (4, 4))
    patches, made = drawn(rng, n), Provisional(coding, 30)

    def folded(some):
        state = made.zero(tile())
        for one in some:
            state = made.update(state, piece(*one))
        return state

    wanted = by_hand(coding, patches)
    np.testing.assert_array_equal(made.finalise(folded(patches)).values, wanted)
    shuffled = [patches[k] for k in rng.permutation(n)]
    split = int(rng.integers(0, n + 1))
    both = made.merge_states(folded(shuffled[:split]), folded(shuffled[split:]))
    np.testing.assert_array_equal(made.finalise(both).values, wanted)


class TestCoding:
    @given(
        grid=st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)),
        patch=st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
        data=st.data(),
    )
    def test_there_and_back(self, grid, patch, data):
        coding = Coding.over(grid, patch)
        anchors = st.tuples(st.integers(1 - patch[0], grid[0] - 1), st.integers(1 - patch[1], grid[1] - 1))
        one, other = data.draw(anchors), data.draw(anchors)
        label = data.draw(st.integers(0, coding.n_labels - 1))
        number = coding.number(one, label)
        assert 0 < number < 2**63
        assert (coding.label(number), coding.row(number)) == (label, one[0])
        assert (coding.patch(number) < coding.patch(coding.number(other, 0))) == (one < other)

    def test_the_earth_at_10_m_has_labels_left(self):
        assert Coding.over((2_000_000, 4_000_000), (512, 512)).n_labels == 1 << 20

    def test_what_is_too_large(self):
        with pytest.raises(ValueError, match="more patches than can be told apart"):
            Coding.over((2**32, 2**31), (256, 256))


def test_depth_is_the_bartlett_window():
    whole = piece((0, 0, 5, 4), np.zeros((5, 4), "int32"))
    np.testing.assert_array_equal(depth_in(whole), np.outer([1, 2, 3, 2, 1], [1, 2, 2, 1]))
    where, crop = (slice(0, 2), slice(0, 3)), (slice(3, 5), slice(1, 4))
    part = Piece(where, crop, whole.data[:, 3:, 1:], whole.taper, None, (0, 0))
    np.testing.assert_array_equal(depth_in(part), np.outer([2, 1], [2, 2, 1]))


class TestRefused:
    made = Provisional(Coding.over(GRID, (4, 4)), 4)

    def test_bands(self):
        with pytest.raises(OperatorError, match="patches have 3 bands"):
            self.made.zero(tile(3))

    @pytest.mark.parametrize("value", [-1.0, 0.25, 2.0**31, np.inf])
    def test_what_is_no_label(self, value):
        labels = np.array([[0.0, 1.0], [value, 2.0]])
        with pytest.raises(
            OperatorError, match=rf"label {value} in the patch at rows \[2, 4\), columns \[3, 5\)"
        ):
            self.made.update(self.made.zero(tile()), piece((2, 3, 2, 2), labels))
        valid = labels != value
        state = self.made.update(self.made.zero(tile()), piece((2, 3, 2, 2), labels, valid))
        assert state.winner[4 - 1, 3] == 0

    def test_other_kinds(self):
        labels = np.array([["a", "b"]])
        with pytest.raises(OperatorError, match="holds <U1 values"):
            self.made.update(self.made.zero(tile()), piece((0, 0, 1, 2), labels))

    def test_labels_that_a_large_raster_has_no_room_for(self):
        made = Provisional(Coding.over((2_000_000, 4_000_000), (4, 4)), 4)
        with pytest.raises(OperatorError, match="label 1048576 .* to 1,048,575: return label images"):
            made.update(made.zero(tile()), piece((0, 0, 1, 1), np.array([[1 << 20]])))

    def test_two_patches_at_one_place(self):
        state = self.made.zero(tile())
        for _ in range(2):
            state = self.made.update(state, piece((3, 0, 2, 2), np.ones((2, 2), "int32")))
        with pytest.raises(OperatorError, match="two patches begin at the same pixel, in row 3"):
            self.made.finalise(state)

    def test_more_patches_than_planned(self):
        made = Provisional(Coding.over(GRID, (4, 4)), 1)
        state = made.zero(tile())
        for col in (0, 1):
            state = made.update(state, piece((0, col, 2, 2), np.ones((2, 2), "int32")))
        with pytest.raises(OperatorError, match="2 patches lie over one cell, and the plan says at most 1"):
            made.finalise(state)

    def test_a_part_by_itself(self):
        with pytest.raises(OperatorError, match="no part of its result can be had by itself"):
            Instances().zero(tile())

    @pytest.mark.parametrize("iou", [-0.1, 1, 2, float("nan")])
    def test_no_share(self, iou):
        with pytest.raises(ValueError, match="iou must be from 0 to less than 1"):
            Instances(iou)


def test_what_they_make():
    made = Provisional(Coding.over(GRID, (4, 4)), 5)
    assert (made.out_bands(1), made.out_dtype(FLOAT), made.nodata_for(FLOAT)) == (5, np.int64, 0)
    assert made.state_bytes(1, FLOAT, 99) == candidate_bytes(5) == 58
    for one in (Numbered(), Instances()):
        assert (one.out_bands(1), one.out_dtype(FLOAT), one.memory_dtype(FLOAT)) == (1, np.uint32, np.uint32)
        assert one.nodata_for(np.dtype("uint32")) == 0
        assert one.flat
        assert one.gives_labels


def test_the_window_does_not_matter():
    made = Provisional(Coding.over(GRID, (4, 4)), 2)
    one = piece((0, 0, 2, 2), np.array([[1, 2], [0, 3]], "int32"))
    other = Piece(
        one.where,
        one.crop,
        one.data,
        Taper.of(np.array([[1.0, 9.0], [0.1, 2.0]]), (2, 2), FLOAT),
        None,
        (0, 0),
    )
    first, second = (made.finalise(made.update(made.zero(tile()), each)).values for each in (one, other))
    np.testing.assert_array_equal(first, second)
