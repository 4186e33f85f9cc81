"""Threads of a whole run: errors, regions, interrupts and many runs at once leave none over."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import geopatcher as gp
from doubling import begun_ledger
from geopatcher.core.box import Box
from geopatcher.errors import GeopatcherError, OperatorError, SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.runs.ledger.book import read_ledger
from geopatcher.targets.memory import MemorySink
from geopatcher.targets.zarr_store import ZarrSink
from left_threads import no_thread_is_left

__all__ = ["no_thread_is_left"]  # a fixture of every test

pytestmark = pytest.mark.timeout(60)


class Faulty(ArraySource):
    """Fails to read from a row on, or takes its time."""

    def read(self, box):
        if box.row1 > 600:
            raise SourceError("cannot read bad.tif, rows 512:768")
        return super().read(box)


def faulty(image):
    return gp.RasterField(Faulty(image, ArraySource.of(image).domain))


IMAGE = np.random.default_rng(0).random((1, 1500, 60))


def fail_late(patch):
    fail_late.calls += 1
    if fail_late.calls > 40:
        raise ValueError("no")
    return patch


@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
def test_errors_of_the_reader_end_the_run_and_its_threads(tmp_path, target):
    place = None if target is None else tmp_path / target
    with pytest.raises(SourceError, match=r"bad.tif, rows 512:768"):
        gp.reconstruct(faulty(IMAGE), lambda x: x, place, size=32, chunks=64)


@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
def test_errors_of_the_operator_end_the_run_and_its_threads(tmp_path, target):
    fail_late.calls = 0
    place = None if target is None else tmp_path / target
    with pytest.raises(OperatorError, match="fail_late failed"):
        gp.reconstruct(IMAGE, fail_late, place, size=32, chunks=64)


def test_errors_of_the_sink_end_the_run_and_its_threads(tmp_path, monkeypatch):
    def full(self, tiles):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MemorySink, "write", full)
    with pytest.raises(OSError, match="No space left"):
        gp.reconstruct(IMAGE, lambda x: x, size=32, chunks=64)


WIDE = np.arange(1.0, 50 * 900 + 1).reshape(50, 900)
IN_REGIONS = {"size": 16, "step": 8, "chunks": 32}


def narrow():
    """A plan that cuts `WIDE` into regions of a few chunks, and how many patches the first has."""
    limit = gp.plan(WIDE, **IN_REGIONS).model.bytes_for(64, 50, alone=False) + 40_000
    plan = gp.plan(WIDE, **IN_REGIONS, memory_limit=limit)
    first = next(plan.regions()).region
    assert plan.n_regions > 2
    return limit, first, plan.anchors.count_in(first)


def test_a_region_is_begun_while_the_last_rows_of_the_one_before_are_written(monkeypatch):
    limit, region, n_patches = narrow()
    calls, met, next_begun = [], [], threading.Event()

    def write(self, tiles):
        return write_as_ever(self, map(waited_for, tiles))

    def waited_for(tile):
        box, _ = tile
        if (box.row1, box.col1) == (50, region.col1):
            met.append(next_begun.wait(10))
        return tile

    def operator(patch):
        calls.append(1)
        if len(calls) > n_patches:
            next_begun.set()
        return patch

    write_as_ever = MemorySink.write
    monkeypatch.setattr(MemorySink, "write", write)
    result = gp.reconstruct(WIDE, operator, memory_limit=limit, **IN_REGIONS)
    assert met == [True]
    np.testing.assert_array_equal(result.array, WIDE)


@pytest.mark.parametrize("stage", ["operator", "sink"])
def test_an_error_where_two_regions_meet_ends_the_run_and_its_threads(tmp_path, stage, monkeypatch):
    limit, region, n_patches = narrow()
    calls = []

    def operator(patch):
        calls.append(1)
        if stage == "operator" and len(calls) > n_patches:
            raise ValueError("begun, the second region")
        return patch

    def write(self, tiles):
        return write_as_ever(self, map(refused, tiles))

    def refused(tile):
        box, _ = tile
        if stage == "sink" and (box.row1, box.col1) == (50, region.col1):
            raise OSError(28, "the last rows of the first region")
        return tile

    write_as_ever = ZarrSink.write
    monkeypatch.setattr(ZarrSink, "write", write)
    with pytest.raises((GeopatcherError, OSError), match="region"):
        gp.reconstruct(WIDE, operator, tmp_path / "x.zarr", memory_limit=limit, **IN_REGIONS)
    account = read_ledger(begun_ledger(tmp_path / "x.zarr"))
    left = list(account.finished.missing(region))
    assert left == ([] if stage == "operator" else [Box(32, 50, 0, region.col1)])


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_being_interrupted_in_the_operator_leaves_no_thread(error):
    def stop(patch):
        if stop.seen:
            raise error
        stop.seen = True
        return patch

    stop.seen = False
    with pytest.raises((error, GeopatcherError)):
        gp.reconstruct(IMAGE, stop, size=32)


def test_a_stream_left_half_way_leaves_no_thread():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32), gp.SpatialRegularStride(16), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    stream = patcher.split(IMAGE)
    next(stream)
    stream.close()
    del stream
    for patch in patcher.split(IMAGE):
        assert patch.anchor == (0, 0)
        break


def test_many_runs_in_many_threads_do_not_disturb_each_other(tmp_path):
    results = {}

    def run(number):
        place = tmp_path / f"{number}.zarr" if number % 2 else None
        result = gp.reconstruct(IMAGE * number, lambda x: x + number, place, size=64, chunks=128)
        results[number] = np.asarray(result.array[...])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        np.testing.assert_allclose(results[number], IMAGE * number + number, rtol=1e-12)


class _Slowly:
    """A source that says it is far, and how many of its reads are on their way at once."""

    def __init__(self, image):
        self.inner = inner = ArraySource.of(image)
        self.domain, self.block_shape, self.name = inner.domain, inner.block_shape, inner.name
        self.has_nodata, self.gives_views = inner.has_nodata, inner.gives_views
        self.valid, self.identity = inner.valid, inner.identity
        self.lock, self.flying, self.most = threading.Lock(), 0, 0

    reads_at_once = 4

    def read(self, box):
        with self.lock:
            self.flying += 1
            self.most = max(self.most, self.flying)
        time.sleep(0.02)
        with self.lock:
            self.flying -= 1
        return self.inner.read(box)


def test_strips_of_what_is_far_are_read_at_once_and_the_result_is_the_same():
    image = np.random.default_rng(0).random((2, 2600, 70), dtype="float32")
    source = _Slowly(image)
    plan = gp.plan(source, size=64)
    near = gp.plan(image, size=64)
    assert (plan.model.ahead, near.model.ahead) == (4, 2)
    assert plan.working_bytes > near.working_bytes
    result = gp.reconstruct(source, np.negative, size=64)
    assert np.array_equal(result.array, gp.reconstruct(image, np.negative, size=64).array)
    assert source.most > 1


def test_no_more_is_read_ahead_than_the_memory_limit_allows():
    image = np.zeros((8, 4096, 6000), dtype="float32")
    source = _Slowly(image)
    limits = ["180MiB", "260MiB", "400MiB", "2GiB"]
    plans = [gp.plan(source, size=64, memory_limit=limit) for limit in limits]
    plain = [gp.plan(image, size=64, memory_limit=limit) for limit in limits]
    assert [plan.n_regions for plan in plans] == [plan.n_regions for plan in plain]
    assert plans[-1].model.ahead == 4
    assert all(plan.working_bytes <= plan.memory_limit for plan in plans)
    assert min(plan.model.ahead for plan in plans) < 4
