from __future__ import annotations

import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.accumulators.labels import Disagreement
from geopatcher.core.box import Box
from geopatcher.engine.batching import Batching
from geopatcher.engine.contributions import Contribution, Operate
from geopatcher.engine.run import contributions, pays_behind, stitch
from geopatcher.engine.stats import RunStats
from geopatcher.engine.tiles import TileRows
from geopatcher.engine.watch import StopRequested, Watch
from geopatcher.fields.array_source import ArraySource

IMAGE = np.arange(40 * 30, dtype="float64").reshape(1, 40, 30)


def operate_of():
    return Operate(
        operator=lambda x: x + 1, name="op", source_name="a", stats=RunStats(), weights=np.ones((10, 10))
    )


@pytest.mark.parametrize("pipelined", [True, False])
def test_each_patch_contributes_once_in_the_order_of_the_plan(pipelined):
    plan = gp.plan(IMAGE, size=10, step=5)
    found = list(contributions(plan, ArraySource.of(IMAGE), operate_of(), pipelined=pipelined))
    assert [(each.box.row0, each.box.col0) for each in found] == [
        (row, col) for row in range(0, 31, 5) for col in range(0, 21, 5)
    ]
    for each in found:
        np.testing.assert_array_equal(each.data, IMAGE[:, *each.box.slices()] + 1)


def test_the_watch_stops_between_strips():
    plan = gp.plan(IMAGE, size=10, step=10)
    asked = iter([False, False, True])
    stream = contributions(plan, ArraySource.of(IMAGE), operate_of(), watch=Watch(lambda: next(asked)))
    found = []
    with pytest.raises(StopRequested) as caught:
        found.extend(stream)
    assert caught.value.row == 20
    assert {each.box.row0 for each in found} <= {0, 10}


@pytest.mark.parametrize("pipelined", [True, False])
@pytest.mark.parametrize("at_once", [1, 4])
def test_the_watch_hears_once_that_all_is_read(pipelined, at_once, monkeypatch):
    reads, heard = [], []

    class Source(ArraySource):
        reads_at_once, block_shape = at_once, (8, 30)

        def read(self, box):
            reads.append(box)
            return super().read(box)

    array = ArraySource.of(IMAGE)
    source = Source(array.array, array.domain)
    plan = gp.plan(source, size=10, step=5)
    plan = replace(plan, model=replace(plan.model, unit_rows=8))
    watch = Watch(read=lambda: heard.append(len(reads)))
    assert list(contributions(plan, source, operate_of(), pipelined=pipelined, watch=watch))
    assert heard == [5] == [len(reads)]


def test_rows_of_blocks_are_emitted_as_soon_as_nothing_touches_them_any_more():
    plan = gp.plan(IMAGE, size=10, step=10, chunks=16, aggregation="sum")
    seen, emitted = [], []

    def stream():
        for row in range(0, 40, 10):
            for col in range(0, 30, 10):
                box = Box(row, row + 10, col, col + 10)
                seen.append(row)
                yield Contribution(box, IMAGE[:, *box.slices()], None)

    def emit(box, tiles):
        emitted.append((box, seen[-1], {tile.box: tile.parts["data"].finalise()[0].values for tile in tiles}))

    exact = np.dtype("float64")
    tiles = TileRows(plan.blocks, {"data": gp.SpatialSum()}, exact, disagreement=Disagreement())
    stitch(stream(), tiles, emit, RunStats())
    assert [(box.row0, box.row1, row) for box, row, _ in emitted] == [
        (0, 16, 20),
        (16, 32, 30),
        (32, 40, 30),
    ]
    result = np.zeros((1, 40, 30))
    for _, _, parts in emitted:
        for box, values in parts.items():
            result[:, *box.slices()] = values
    np.testing.assert_array_equal(result, IMAGE)


class Noting:
    """An aggregation's state in which it is noted which thread adds to it."""

    def __init__(self, tiles):
        self.tiles, self.threads, self.order = tiles, set(), []

    def __getattr__(self, name):
        return getattr(self.tiles, name)

    def add(self, contribution):
        self.threads.add(threading.current_thread().name)
        self.order.append((contribution.box.row0, contribution.box.col0))
        self.tiles.add(contribution)


def stitched(monkeypatch, late, *, pipelined, batch_size=3, stream=None, tiles=None):
    monkeypatch.setattr("geopatcher.engine.run.pays_behind", lambda _: late)
    plan = gp.plan(IMAGE, size=10, step=5, chunks=16, aggregation="sum")
    operate = operate_of()
    operate = replace(operate, batching=Batching(batch_size), stats=RunStats())
    noting = tiles or Noting(
        TileRows(plan.blocks, {"data": gp.SpatialSum()}, np.dtype("float64"), disagreement=Disagreement())
    )
    emitted = {}

    def emit(box, row_tiles):
        emitted.update({tile.box: tile.parts["data"].finalise()[0].values for tile in row_tiles})

    made = stream or contributions(plan, ArraySource.of(IMAGE), operate)
    stitch(made, noting, emit, operate.stats, pipelined=pipelined)
    return noting, emitted


@pytest.mark.parametrize("batch_size", [1, 3, 8, 100])
def test_what_a_slow_operator_gives_is_accumulated_behind_it_in_the_same_order(monkeypatch, batch_size):
    here, wanted = stitched(monkeypatch, True, pipelined=False)
    behind, found = stitched(monkeypatch, True, pipelined=True, batch_size=batch_size)
    fast, same = stitched(monkeypatch, False, pipelined=True, batch_size=batch_size)
    own = threading.current_thread().name
    assert here.threads == fast.threads == {own}
    assert own not in behind.threads
    assert here.order == behind.order == fast.order
    assert list(wanted) == list(found) == list(same)
    for box, values in wanted.items():
        np.testing.assert_array_equal(values, found[box])
        np.testing.assert_array_equal(values, same[box])


def test_an_error_behind_ends_the_stream_and_is_told(monkeypatch):
    class Broken(Noting):
        def add(self, contribution):
            raise ValueError("cannot add")

        def close_above(self, row):
            return iter(())

    with pytest.raises(ValueError, match="cannot add"):
        stitched(monkeypatch, True, pipelined=True, tiles=Broken(None))
    assert not [one for one in threading.enumerate() if one.name.startswith("geopatcher-write")]


def test_what_came_before_a_stop_is_accumulated(monkeypatch):
    plan = gp.plan(IMAGE, size=10, step=10)
    asked = iter([False, False, True])
    operate = replace(operate_of(), batching=Batching(4), stats=RunStats())
    stream = contributions(plan, ArraySource.of(IMAGE), operate, watch=Watch(lambda: next(asked)))
    grid = gp.plan(IMAGE, size=10, step=10, chunks=16).blocks
    noting = Noting(
        TileRows(grid, {"data": gp.SpatialSum()}, np.dtype("float64"), disagreement=Disagreement())
    )
    with pytest.raises(StopRequested):
        stitched(monkeypatch, True, pipelined=True, stream=stream, tiles=noting)
    assert noting.order == [(row, col) for row in (0, 10) for col in (0, 10, 20)]


@pytest.mark.parametrize(
    ("operate", "accumulate", "patches", "pays"),
    [(1.0, 0.4, 100, True), (1.0, 0.6, 100, False), (1.0, 0.0001, 100, False), (0.1, 0.005, 1, False)],
    ids=["slow operator", "quick operator", "little to add", "few patches"],
)
def test_adding_behind_an_operator_pays_where_that_takes_longer(operate, accumulate, patches, pays):
    stats = RunStats()
    stats.patches = patches
    stats.spend("operate", operate)
    stats.spend("accumulate", accumulate)
    assert pays_behind(stats) is pays


@pytest.mark.parametrize("masked", [False, True])
def test_what_is_accumulated_behind_an_operator_is_not_what_it_writes_meanwhile(monkeypatch, masked):
    """The operator returns one array again and again: the first is looked at when the next is in it."""
    out, mask = np.zeros((1, 10, 10)), np.ones((1, 10, 10), bool)
    written, seen = threading.Event(), []

    def stream():
        for number, box in enumerate([gp.Box(0, 10, 0, 10), gp.Box(0, 10, 10, 20)]):
            out[:], mask[:] = number + 1, number == 0
            if number:
                written.set()
            yield Contribution(box, out, mask if masked else None)

    class Late(Noting):
        def add(self, contribution):
            assert written.wait(30)
            seen.append((contribution.data.copy(), None if not masked else contribution.valid.copy()))

        def close_above(self, row):
            return iter(())

    grid = gp.plan(IMAGE, size=10, chunks=16).blocks
    tiles = TileRows(grid, {"data": gp.SpatialSum()}, np.dtype("float64"), disagreement=Disagreement())
    monkeypatch.setattr("geopatcher.engine.run.pays_behind", lambda _: True)
    stitch(stream(), Late(tiles), print, RunStats(), pipelined=True)
    assert [data[0, 0, 0] for data, _ in seen] == [1, 2]
    assert [valid is None or bool(valid.all()) for _, valid in seen] == [True, not masked]


def handed_over(monkeypatch, contribution, *, fresh=False):
    """Return what is added of a contribution that somebody else has a reference to."""
    grid, seen = gp.plan(IMAGE, size=10, chunks=16).blocks, []
    tiles = TileRows(grid, {"data": gp.SpatialSum()}, np.dtype("float64"), disagreement=Disagreement())
    monkeypatch.setattr(tiles, "add", seen.append)
    monkeypatch.setattr("geopatcher.engine.run.pays_behind", lambda _: True)
    stitch(iter([contribution]), tiles, print, RunStats(), pipelined=True, fresh=lambda: fresh)
    return seen[0]


@pytest.mark.parametrize("fresh", [False, True])
def test_what_an_operator_gives_away_is_not_copied(monkeypatch, fresh):
    held = np.ones((1, 10, 10))
    added = handed_over(monkeypatch, Contribution(gp.Box(0, 10, 0, 10), held, None), fresh=fresh)
    assert (added.data is held) == fresh
    np.testing.assert_array_equal(added.data, held)


@pytest.mark.parametrize("make", [lambda: np.ones((1, 10, 10)), lambda: np.ones(100).reshape(1, 10, 10)])
def test_nor_is_what_nobody_else_holds(monkeypatch, make):
    contribution = Contribution(gp.Box(0, 10, 0, 10), make(), None)
    assert handed_over(monkeypatch, contribution).data is contribution.data


@pytest.mark.parametrize(
    "held",
    [
        np.ones((2, 10, 10)),
        np.ma.array(np.ones((2, 10, 10))),
        np.frombuffer(bytearray(1600)).reshape(2, 10, 10),
        np.ones((2, 20, 20))[:, ::2, ::2],
    ],
    ids=["array", "masked", "buffer", "part"],
)
def test_what_somebody_else_holds_is(monkeypatch, held):
    """Through a part of it, too, of which the contribution is the only holder."""
    contribution = Contribution(gp.Box(0, 10, 0, 10), np.asarray(held)[1:], None)
    added = handed_over(monkeypatch, contribution)
    assert not np.shares_memory(added.data, held)
    np.testing.assert_array_equal(added.data, contribution.data)


@pytest.mark.parametrize("shape", [(1, 10, 10), (100,)], ids=["array", "owner"])
def test_what_somebody_finds_again_by_a_weak_reference_is(monkeypatch, shape):
    """As a cache of arrays does, which hands one out again for as long as it is there."""
    held = np.ones(shape)
    found = weakref.ref(held)
    data = held.reshape(1, 10, 10) if len(shape) == 1 else held
    contribution = Contribution(gp.Box(0, 10, 0, 10), data, None)
    del held, data
    added = handed_over(monkeypatch, contribution)
    assert not np.shares_memory(added.data, found())


def test_memory_that_no_array_owns_is(monkeypatch):
    """A library may write into it and hold no array at all."""
    contribution = Contribution(gp.Box(0, 10, 0, 10), np.frombuffer(bytearray(800)).reshape(1, 10, 10), None)
    assert handed_over(monkeypatch, contribution).data is not contribution.data
