"""Blocks kept within a bound: the same pixels, each block read once, also by threads at the same time."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import SourceError
from geopatcher.fields import kept_blocks
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.kept_blocks import ROOM, BlockRoom, KeptBlocks, kept_shape
from geotiffs import write_geotiff

SHAPE = (2, 300, 500)
CELLS = np.random.default_rng(0).integers(0, 60_000, SHAPE).astype("uint16")
HELD = np.random.default_rng(1).random(SHAPE) < 0.5
HELD[:, :200] = True  # some blocks are full of data
MIB = 1 << 20


class Reading:
    """Reads of pixels in memory, which are counted."""

    def __init__(self, held=None):
        self.held, self.boxes = held, []
        self.room = 0

    def __call__(self, box):
        self.boxes.append(box)
        self.room = max(self.room, ROOM.n_bytes)
        where = (slice(None), *box.slices(Box(0, 0, 0, 0)))
        return CELLS[where], None if self.held is None else self.held[where]

    @property
    def n_pixels(self):
        return sum(box.n_pixels for box in self.boxes)


def kept(read, block=(64, 64), corner=(0, 0)):
    return KeptBlocks(read, SHAPE, CELLS.dtype, block, corner, masked=True)


def boxes(number=60):
    random = np.random.default_rng(5)
    for _ in range(number):
        (row0, row1), (col0, col1) = (sorted(random.choice(side + 1, 2, replace=False)) for side in SHAPE[1:])
        yield Box(int(row0), int(row1), int(col0), int(col1))


def check(blocks, box, held=None):
    pixels, said = blocks.window(box)
    where = (slice(None), *box.slices(Box(0, 0, 0, 0)))
    np.testing.assert_array_equal(pixels, CELLS[where])
    known = np.ones(pixels.shape, bool) if said is None else said
    np.testing.assert_array_equal(known, True if held is None else held[where])


@pytest.mark.parametrize("corner", [(0, 0), (10, 63)])
@pytest.mark.parametrize("held", [None, HELD])
@pytest.mark.parametrize("room", [0, 40_000, 300_000, 10 * MIB])
def test_any_rectangle_is_what_is_read_and_no_more_than_the_room_is_taken(corner, held, room):
    read = Reading(held)
    blocks = kept(read, corner=corner)
    with ROOM.granted(room):
        for box in boxes():
            check(blocks, box, held)
            assert ROOM.n_bytes <= room
    assert ROOM.n_bytes == 0
    assert read.room <= room
    if room == 10 * MIB:
        assert 0.99 <= read.n_pixels / (SHAPE[1] * SHAPE[2]) <= 1


def test_blocks_side_by_side_are_read_in_one_go(monkeypatch):
    read = Reading()
    with ROOM.granted(MIB), kept(read).in_hand([Box(0, 100, 0, 300), Box(60, 140, 290, 400)]) as held:
        assert len(held) == 2 * 7 + 3
        assert read.boxes == [Box(0, 128, 0, 448), Box(128, 192, 256, 448)]
    monkeypatch.setattr(kept_blocks, "ROWS_AT_ONCE", 127)
    read = Reading()
    with ROOM.granted(MIB), kept(read).in_hand([Box(0, 128, 0, 192)]):
        assert read.boxes == [Box(0, 64, 0, 192), Box(64, 128, 0, 192)]
    monkeypatch.setattr(kept_blocks, "AT_ONCE", 2 * 64 * 64 * 3 * 2)  # two blocks
    read = Reading()
    with ROOM.granted(MIB), kept(read).in_hand([Box(0, 128, 0, 192)]):
        assert max(box.n_pixels for box in read.boxes) <= 2 * 64 * 64
        assert read.n_pixels == 128 * 192


def test_those_not_used_for_longest_make_way():
    read = Reading()
    blocks = kept(read)
    first, second, third = (Box(0, 64, left, left + 64) for left in (0, 64, 128))
    with ROOM.granted(2 * 64 * 64 * 2 * 3):
        for box in (first, second, first, third, first):
            check(blocks, box)
        assert read.boxes == [first, second, third]
        check(blocks, second)
        assert read.boxes[3:] == [second]


def test_what_somebody_has_in_hand_stays_and_others_read_past_it():
    read = Reading()
    blocks = kept(read)
    small = Box(0, 10, 0, 10)
    with ROOM.granted(64 * 64 * 2 * 3), blocks.in_hand([Box(64, 65, 64, 65)]):
        check(blocks, small)
        assert read.boxes[-1] == small  # no room for a block of it
        check(blocks, Box(70, 80, 70, 80))
        assert len(read.boxes) == 2
        with blocks.in_hand([small]) as nothing:
            assert nothing is None


def test_of_two_threads_that_want_a_block_one_reads_it_and_the_other_waits():
    both, begun = threading.Barrier(2, timeout=30), threading.Event()
    read = Reading()

    def slowly(box):
        begun.set()
        waiting.wait(timeout=30)
        return read(box)

    waiting = threading.Event()
    blocks = kept(slowly)
    own = {0: Box(0, 64, 0, 128), 1: Box(0, 64, 64, 192)}  # the block between is of both

    def look(number):
        both.wait()
        check(blocks, own[number])

    with ROOM.granted(MIB), ThreadPoolExecutor(2) as pool:
        looking = [pool.submit(look, number) for number in own]
        assert begun.wait(timeout=30)
        waiting.set()
        for each in looking:
            each.result(timeout=30)
    assert read.n_pixels == 3 * 64 * 64


def test_many_threads_read_each_block_once():
    read = Reading()
    blocks = kept(read)
    with ROOM.granted(10 * MIB), ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda box: check(blocks, box), boxes(300)))
    assert read.n_pixels <= SHAPE[1] * SHAPE[2]


def test_a_block_that_cannot_be_read_is_read_by_who_waited_for_it_and_is_not_kept():
    begun, failing = threading.Event(), threading.Event()
    read = Reading()

    def once(box):
        if not begun.is_set():
            begun.set()
            failing.wait(timeout=30)
            raise SourceError("gone")
        return read(box)

    blocks = kept(once)
    box = Box(0, 10, 0, 10)
    with ROOM.granted(MIB), ThreadPoolExecutor(2) as pool:
        first = pool.submit(blocks.window, box)
        assert begun.wait(timeout=30)
        second = pool.submit(check, blocks, box)
        while ROOM.n_bytes and not any(block.users > 1 for block in ROOM._blocks.values()):
            pass
        failing.set()
        with pytest.raises(SourceError, match="gone"):
            first.result(timeout=30)
        second.result(timeout=30)
        assert ROOM.n_bytes == 0
        check(blocks, box)
        assert ROOM.n_bytes > 0


def test_runs_at_the_same_time_have_the_room_of_both():
    room = BlockRoom()
    with room.granted(100):
        with room.granted(50):
            assert room.take({"a": 150}) is not None
            assert room.take({"b": 1}) is None
        assert room.is_open
    assert not room.is_open


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_starts_with_none():
    with ROOM.granted(MIB), kept(Reading()).in_hand([Box(0, 1, 0, 1)]):
        child = os.fork()
        if not child:
            os._exit(ROOM.n_bytes + ROOM.is_open)
    assert os.waitpid(child, 0)[1] == 0


def test_pixels_that_are_in_memory_already_are_not_kept():
    domain = RasterDomain(SHAPE, dtype=CELLS.dtype)
    array = ArraySource(CELLS, domain)
    read = Reading()
    with ROOM.granted(MIB):
        check(KeptBlocks.of(array, read, masked=False), Box(3, 5, 3, 5))
        assert ROOM.n_bytes == 0


def test_what_is_stored_in_no_blocks_is_kept_in_small_ones():
    loose = ArraySource(CELLS.astype(">u2"), RasterDomain(SHAPE, dtype=CELLS.dtype))
    assert loose.block_shape == (1, SHAPE[2])
    blocks = KeptBlocks.of(loose, Reading(), masked=False)
    assert (blocks.block, blocks.worthwhile) == ((128, 128), True)


def test_a_part_of_a_file_keeps_whole_blocks_of_the_file(tmp_path):
    path = write_geotiff(tmp_path / "a.tif", CELLS, tiled=True, blockxsize=128, blockysize=128)
    source = gp.RasterField(str(path)).source.cut(Box(100, 300, 70, 500))
    blocks = KeptBlocks.of(source, lambda box: (source.read(box), None), masked=True)
    assert blocks.block == (128, 128)
    own = {blocks._box(key) for key in blocks._keys([Box(0, 200, 0, 430)])}
    assert Box(0, 28, 0, 58) in own
    assert Box(28, 156, 58, 186) in own
    with ROOM.granted(MIB):
        pixels, _ = blocks.window(Box(10, 150, 20, 300))
    np.testing.assert_array_equal(pixels, CELLS[:, 110:250, 90:370])


def test_small_blocks_are_kept_side_by_side():
    assert kept_shape((1, 10980), (10980, 10980)) == (2, 10980)
    assert kept_shape((10980, 1), (10980, 10980)) == (10980, 128)
    assert kept_shape((48, 64), (1000, 1000)) == (144, 128)
    assert kept_shape((1024, 2048), (1000, 1000)) == (1000, 1000)
