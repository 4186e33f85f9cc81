"""Halving what cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.reading import FEW_READS, RESCUE_READS, Reader, halves
from geopatcher.engine.stats import RunStats
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource

IMAGE = np.random.default_rng(0).integers(1, 99, (2, 64, 4096), dtype=np.uint8)
BLOCK = 16


class Spotted(ArraySource):
    """Blocks of 16x16 that cannot be read."""

    def mark(self, bad):
        object.__setattr__(self, "bad", {Box(r * 16, r * 16 + 16, c * 16, c * 16 + 16) for r, c in bad})
        object.__setattr__(self, "reads", 0)
        return self

    def read(self, box):
        object.__setattr__(self, "reads", self.reads + 1)
        if any(box.intersect(one).n_pixels for one in self.bad):
            raise RuntimeError("bad block")
        return super().read(box)


def spotted(bad, nodata=None):
    domain = RasterDomain(IMAGE.shape, dtype=IMAGE.dtype, nodata=nodata)
    return Spotted(IMAGE, domain, "spotted", (BLOCK, BLOCK)).mark(bad)


def read(source, box, **policy):
    return Reader(source, RunStats(), ErrorPolicy("skip", **policy))(box)


boxes = st.builds(
    lambda r, h, c, w: Box(r, r + h, c, c + w),
    st.integers(0, 99),
    st.integers(1, 99),
    st.integers(0, 99),
    st.integers(1, 99),
)


@given(box=boxes, grid=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_halves_are_the_box_cut_at_a_line_of_the_grid(box, grid):
    pieces = halves(box, grid)
    n_cells = len(list(box.tiles(grid)))
    if n_cells == 1:
        assert pieces == []
        return
    assert [piece.n_pixels > 0 for piece in pieces] == [True, True]
    assert sum(len(list(piece.tiles(grid))) for piece in pieces) == n_cells
    assert sum(piece.n_pixels for piece in pieces) == box.n_pixels


@given(
    bad=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 255)), max_size=6),
    nodata=st.sampled_from([None, 7]),
)
def test_exactly_the_bad_blocks_are_lost(bad, nodata):
    box = Box(3, 61, 5, 4001)
    source = spotted(bad, nodata)
    unit = read(source, box)
    lost = np.zeros(box.shape, bool)
    for loss in unit.losses:
        assert not lost[loss.box.slices(box)].any()
        lost[loss.box.slices(box)] = True
        assert "bad block" in str(loss.error)
    wanted = np.zeros(box.shape, bool)
    for row, col in bad:
        piece = Box(row * 16, row * 16 + 16, col * 16, col * 16 + 16).intersect(box)
        if piece.n_pixels:
            wanted[piece.slices(box)] = True
    assert np.array_equal(lost, wanted)
    assert np.array_equal(unit.pixels[:, ~lost], IMAGE[:, *box.slices()][:, ~lost])
    assert source.reads <= 1 + 2 * 10 * max(1, len(bad))  # 1024 blocks, halved ten times
    if nodata is not None and not bad:
        assert np.array_equal(unit.valid, unit.pixels != nodata)


def test_reads_are_bounded_when_very_much_is_bad():
    every_second = {(row, col) for row in range(4) for col in range(0, 256, 2)}
    source = spotted(every_second)
    unit = read(source, Box(0, 64, 0, 4096))
    assert source.reads <= 1 + RESCUE_READS
    lost = sum(loss.box.n_pixels for loss in unit.losses)
    assert lost >= len(every_second) * BLOCK**2


def test_after_a_rectangle_of_nothing_few_reads_are_spent_until_one_works():
    source = spotted({(row, col) for row in range(2) for col in range(256)})
    reader = Reader(source, RunStats(), ErrorPolicy("mask"))
    reader(Box(0, 16, 0, 4096))
    first = source.reads
    assert first <= 1 + RESCUE_READS
    reader(Box(16, 32, 0, 4096))
    assert source.reads - first <= 1 + FEW_READS
    assert reader(Box(32, 48, 0, 4096)).losses == ()


def test_a_box_within_one_block_is_lost_whole_without_another_read():
    source = spotted({(0, 0)})
    unit = read(source, Box(2, 9, 2, 9))
    assert [loss.box for loss in unit.losses] == [Box(2, 9, 2, 9)]
    assert source.reads == 1


def test_losses_know_how_often_it_was_tried():
    source = spotted({(0, 0)})
    reader = Reader(
        source, RunStats(), ErrorPolicy("skip", 2, retry_on=(RuntimeError,)), sleep=lambda seconds: None
    )
    assert reader(Box(0, 16, 0, 16)).losses[0].attempts == 3
    with pytest.raises(
        SourceError, match=r"cannot read rows 0:16, columns 0:16 of spotted: RuntimeError: bad"
    ):
        Reader(source, RunStats())(Box(0, 16, 0, 16))


def test_bytes_are_counted_once():
    source, stats = spotted({(0, 0)}), RunStats()
    Reader(source, stats, ErrorPolicy("skip"))(Box(0, 64, 0, 4096))
    assert stats.bytes_read == IMAGE.nbytes
