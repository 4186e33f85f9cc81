from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.accumulators.labels import Disagreement
from geopatcher.core.box import Box
from geopatcher.engine.contributions import Contribution, Operate
from geopatcher.engine.run import contributions, stitch
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
