"""Rows of blocks open when touched, and close once, when nothing can touch them any more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
import oracle
from geopatcher.accumulators.sums import WeightedMean
from geopatcher.core.box import Box
from geopatcher.engine.contributions import Contribution
from geopatcher.engine.tiles import MAX_TAPERS, TileRows
from geopatcher.planning.blocks import BlockGrid

F64 = np.dtype("float64")


def rows_of(region, chunks):
    return TileRows(BlockGrid(region, chunks), {"data": WeightedMean()}, F64, columns=1)


def patches(image, size, step):
    for row, col, window in oracle.patches(image, size, step, "cover"):
        box = Box(row, row + size[0], col, col + size[1])
        yield Contribution(box, window, None, weights=np.full(size, 1.0 + row + col))


@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.data(),
)
def test_each_row_of_blocks_closes_once_and_only_when_it_is_complete(shape, step, chunks, data):
    image = np.random.default_rng(0).random((2, *shape))
    row, col = data.draw(st.integers(0, shape[0] - 1)), data.draw(st.integers(0, shape[1] - 1))
    region = Box(row, shape[0], col, shape[1]).snap_out(chunks, Box.of_shape(shape))
    size = (min(shape[0], step[0] + 3), min(shape[1], step[1] + 2))
    step = (min(step[0], size[0]), min(step[1], size[1]))
    tiles = rows_of(region, chunks)
    got = np.full((2, *shape), -1.0)
    closed = []

    def take(emitted):
        for row_box, row_tiles in emitted:
            closed.append(row_box)
            for tile in row_tiles:
                values, covered, *_ = tile.parts["data"].finalise()[0]
                assert covered is None or covered.all()
                got[:, *tile.box.slices()] = values

    for contribution in patches(image, size, step):
        take(tiles.close_above(contribution.box.row0))
        tiles.add(contribution)
    take(tiles.close_above(region.row1))
    assert closed == list(BlockGrid(region, chunks).rows())
    np.testing.assert_allclose(got[:, *region.slices()], image[:, *region.slices()], rtol=1e-12)


def test_rows_nothing_touched_close_too():
    tiles = rows_of(Box(0, 30, 0, 10), (8, 8))
    tiles.add(Contribution(Box(9, 12, 0, 4), np.ones((1, 3, 4)), None))
    got = [(box.row0, bool(row_tiles)) for box, row_tiles in tiles.close_above(30)]
    assert got == [(0, False), (8, True), (16, False), (24, False)]
    assert list(tiles.close_above(30)) == []


def test_what_comes_too_late_is_refused_and_not_lost():
    tiles = rows_of(Box(0, 20, 0, 10), (8, 8))
    list(tiles.close_above(8))
    with pytest.raises(
        ValueError, match=r"patch at rows 4:12, columns 0:4 came after its rows were finished"
    ):
        tiles.add(Contribution(Box(4, 12, 0, 4), np.ones((1, 8, 4)), None))


def test_a_stream_that_only_claims_the_order_of_its_plan_is_refused():
    class Shuffled(list):
        plan = None

    image = np.random.default_rng(0).random((60, 20))
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(8), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
    )
    stream = patcher.split(image)
    shuffled = Shuffled(reversed(list(stream)))
    np.testing.assert_array_equal(gp.SpatialOverlapAdd().merge(list(shuffled), image), image)
    shuffled.plan = stream.plan
    with pytest.raises(ValueError, match="pass them without the plan, for example as a list"):
        gp.SpatialOverlapAdd(chunks=16).merge(shuffled, image)


def test_patches_outside_the_region_change_nothing():
    tiles = rows_of(Box(8, 16, 8, 16), (8, 8))
    for box in (
        Box(0, 8, 8, 16),
        Box(16, 20, 8, 16),
        Box(8, 16, 0, 8),
        Box(8, 16, 16, 30),
        Box(-9, -1, -9, -1),
    ):
        tiles.add(Contribution(box, np.ones((1, *box.shape)), None))
    assert [row_tiles for _, row_tiles in tiles.close_above(16)] == [[]]


def test_only_tiles_something_lies_in_are_opened():
    """Patches of 4 and blocks of 8 columns: tiles are 16 wide."""
    tiles = rows_of(Box(0, 16, 8, 80), (8, 8))
    for col in (0, 20, 22, 76):
        tiles.add(Contribution(Box(6, 10, col, col + 4), np.ones((1, 4, 4)), None))
    got = [(box.row0, [tile.box for tile in row_tiles]) for box, row_tiles in tiles.close_above(16)]
    columns = [(8, 24), (24, 40), (72, 80)]
    assert got == [(row, [Box(row, row + 8, *cols) for cols in columns]) for row in (0, 8)]


@pytest.mark.parametrize("n_tapers", [2, MAX_TAPERS + 6])
def test_tapers_of_their_own_are_each_used(n_tapers):
    """Arrays that come and go must not be taken for one another, whatever addresses they get."""
    height, width = 4, 3 * n_tapers + 3
    image = np.random.default_rng(0).random((1, 40, width))
    tiles = rows_of(Box(0, 40, 0, width), (4, 4))
    total, weight = np.zeros_like(image), np.zeros_like(image)
    got = np.zeros_like(image)
    for row in range(0, 40, 4):
        for index in range(n_tapers):
            box = Box(row, row + 4, 3 * index, 3 * index + 6)
            taper = np.random.default_rng(1000 * row + index).random((height, 6)) + 0.1
            data = image[:, *box.slices()] * (1 + index % 3)
            total[:, *box.slices()] += data * taper
            weight[:, *box.slices()] += taper
            tiles.add(Contribution(box, data, None, weights=taper))
        for _box, row_tiles in tiles.close_above(row + 4):
            for tile in row_tiles:
                got[:, *tile.box.slices()] = tile.parts["data"].finalise()[0].values
    np.testing.assert_allclose(got, total / weight, rtol=1e-12)


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        (np.ones((3, 4)), r"weights shaped \(3, 4\) do not fit a patch of \(4, 4\)"),
        (np.full((4, 4), -1.0), "weights must be finite and not negative; the smallest is -1.0"),
        (np.full((4, 4), np.nan), "weights must be finite"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights, complaint):
    tiles = rows_of(Box(0, 8, 0, 8), (8, 8))
    with pytest.raises(ValueError, match=complaint):
        tiles.add(Contribution(Box(0, 4, 0, 4), np.ones((1, 4, 4)), None, weights=weights))
