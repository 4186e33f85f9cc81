"""The store in which blocks collect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zarr

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.errors import TargetError
from geopatcher.targets.run_folder import RunFolder
from geopatcher.targets.work_store import ZarrWorkStore

BYTES = np.dtype("uint8")
PLAIN = ResultSpec(RasterDomain((32, 32), dtype=BYTES), (16, 16), 0)
SPEC = replace(PLAIN, codec="gzip-9", shards=(32, 32), checksum=True)


def store_of(tmp_path):
    work = RunFolder(tmp_path / "x.partial", tmp_path / "x.lock")
    work.begin()
    return ZarrWorkStore(tmp_path / "x.zarr", work)


def row(number, value):
    return Box(16 * number, 16 * number + 16, 0, 32), {"data": np.full((1, 16, 32), value, "uint8")}


def cells(store):
    return zarr.open_group(store.path, mode="r")["data"][:, 0]


def test_it_is_not_known_before_it_is_made_what_is_made(tmp_path):
    store = store_of(tmp_path)
    with pytest.raises(TargetError, match=r"x\.zarr was completed before it was created"):
        _ = store.spec
    store.create(PLAIN)
    assert store.spec is PLAIN
    store.work.release()


def test_blocks_are_stored_as_asked_for(tmp_path):
    store = store_of(tmp_path)
    store.create(SPEC)
    array = zarr.open_group(store.path, mode="r")["data"]
    assert array.shards == (32, 32)
    assert "Gzip" in str(array.metadata.codecs)
    store.work.release()


@pytest.mark.parametrize("went_down", [False, True])
def test_going_on_keeps_the_rows_that_are_recorded(tmp_path, went_down):
    store = store_of(tmp_path)
    store.create(PLAIN).write([row(0, 5), row(1, 6)])
    kept = [row(0, 0)[0]]
    sink = store.reopen(PLAIN, kept, went_down=went_down)
    # What was not synced cannot be relied on after the system went down.
    np.testing.assert_array_equal(cells(store), [5] * 16 + [0 if went_down else 6] * 16)
    sink.write([row(1, 7)])
    np.testing.assert_array_equal(cells(store), [5] * 16 + [7] * 16)
    assert [path.name for path in store.work.own.iterdir()] == ["store.zarr"]
    store.work.release()


def test_what_was_begun_after_the_system_went_down_is_done_again(tmp_path):
    store = store_of(tmp_path)
    store.create(PLAIN).write([row(0, 5), row(1, 6)])
    store.path.rename(store.work.own / "before.zarr")
    store.reopen(PLAIN, [row(1, 0)[0]], went_down=False)
    np.testing.assert_array_equal(cells(store), [0] * 16 + [6] * 16)
    store.work.release()
