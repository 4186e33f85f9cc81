from __future__ import annotations

import threading

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.cpu import usable_cores
from geopatcher.executors import LocalExecutor
from geopatcher.runs.session import MemorySession

WIDE = np.arange(96 * 400, dtype="float32").reshape(1, 96, 400)
SIZES = {"size": 16, "step": 8, "chunks": 16}


def test_it_takes_the_memory_of_the_plan_and_no_more_threads_than_there_are_cores():
    plan = gp.plan(WIDE, memory_limit="123MiB", **SIZES)
    assert LocalExecutor().memory_for(plan) == 123 << 20
    assert 1 <= LocalExecutor().threads <= usable_cores()


@pytest.mark.parametrize("where", ["memory", "x.zarr"])
@pytest.mark.parametrize("empty", [slice(0, 0), slice(0, 200), slice(200, 400), slice(0, 400)])
def test_regions_in_turn_give_what_one_gives_wherever_there_is_nothing(tmp_path, where, empty, monkeypatch):
    image = WIDE.copy()
    image[:, :, empty] = np.nan
    seen = set()

    def operator(patch):
        seen.add(threading.get_ident())
        return patch * 2

    plan = gp.plan(image, **SIZES)
    regions = [plan.restrict(box) for box in plan.region.tiles((96, 80))]
    monkeypatch.setattr(type(plan), "regions", lambda _: iter(regions))
    target = None if where == "memory" else tmp_path / where
    result = gp.reconstruct(image, operator, target, skip_empty=True, executor=LocalExecutor(), **SIZES)
    np.testing.assert_array_equal(result.array[...], image * 2)
    assert seen <= {threading.get_ident()}


def test_a_session_hears_that_all_is_read_when_the_last_region_is(monkeypatch):
    plan = gp.plan(WIDE, **SIZES)
    regions = [plan.restrict(box) for box in plan.region.tiles((96, 80))]
    monkeypatch.setattr(type(plan), "regions", lambda _: iter(regions))
    columns, heard = [], []
    monkeypatch.setattr(MemorySession, "all_read", lambda _: heard.append(max(columns, default=0)))

    class Hears:
        def on_patch_done(self, anchor, seconds, nbytes):
            columns.append(anchor[1])

    gp.reconstruct(WIDE, np.negative, executor=LocalExecutor(), hooks=Hears(), **SIZES)
    assert len(heard) == 1
    assert heard[0] >= 320 - 16  # of all regions but the last all patches are through
