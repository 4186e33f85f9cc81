from __future__ import annotations

import contextlib

import numpy as np
import pytest

import far
import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import TransportError
from geopatcher.executors import LocalExecutor
from geopatcher.executors.workers.pickling import unpack
from geopatcher.executors.workers.region_task import (
    Assignment,
    Blocks,
    Computed,
    ProbeResult,
    Progress,
    RegionServer,
    ResultHandle,
    Row,
    pack_job,
)

IMAGE = np.random.default_rng(0).random((2, 64, 96)).astype("float32")
SIZES = {"size": 16, "step": 8, "chunks": 32}


class Catches(LocalExecutor):
    """Runs here, and keeps the job."""

    def compute(self, run, regions):
        self.caught["job"], self.caught["handle"] = run.job, None
        super().compute(run, regions)
        self.caught["handle"] = ResultHandle(run.session.spec, None, run.operate.n_bands, run.operate.dtype)


def job_of(image=IMAGE, operator=far.bend, **options):
    executor = Catches()
    object.__setattr__(executor, "caught", {})
    result = gp.reconstruct(image, operator, executor=executor, **SIZES, **options)
    return executor.caught["job"], executor.caught["handle"], result


class Hears:
    """A channel that keeps what it is told."""

    def __init__(self, stop_after=10**9):
        self.told, self.asked, self.stop_after = [], 0, stop_after

    def tell(self, message):
        self.told.append(message)

    def stop_requested(self):
        self.asked += 1
        return self.asked > self.stop_after

    @contextlib.contextmanager
    def limited(self, anchors, seconds):
        yield

    def of(self, kind):
        return [message for message in self.told if isinstance(message, kind)]


def test_a_region_is_the_part_of_the_result_that_lies_in_it():
    job, handle, result = job_of()
    channel, region = Hears(), Box(32, 64, 32, 96)
    done = RegionServer(job)(Assignment(region, handle), channel)
    assert isinstance(done, Computed)
    assert not done.stopped
    found = np.full(IMAGE.shape, np.nan, "float32")
    for blocks in channel.of(Blocks):
        found[:, *blocks.box.slices()] = blocks.arrays["data"]
    np.testing.assert_array_equal(found[:, 32:, 32:], result.array[:, 32:, 32:])
    assert np.isnan(found[:, :32]).all()
    assert [(row.box, row.files) for row in channel.of(Row)] == [(region, None)]
    n_patches = job.plan.anchors.count_in(region)
    assert sum(progress.n_patches for progress in channel.of(Progress)) == n_patches
    told = [*(row.update.stats.patches for row in channel.of(Row)), done.update.stats.patches]
    assert sum(told) == n_patches


def test_a_look_at_a_region_says_what_comes_first_in_it():
    job, _, _ = job_of()
    found = RegionServer(job)(Assignment(Box(32, 64, 0, 96)), Hears())
    assert isinstance(found, ProbeResult)
    assert found.first.box == Box(24, 40, 0, 16)
    assert (found.first.data.shape, found.first.data.dtype) == ((2, 0, 0), np.dtype("float32"))


def test_a_region_in_which_nothing_is_is_done():
    image = IMAGE.copy()
    image[:, 16:] = np.nan
    job, _, _ = job_of(image, skip_empty=True)
    channel = Hears()
    found = RegionServer(job)(Assignment(Box(32, 64, 0, 96)), channel)
    assert (found.first, found.update.stats.patches) == (None, 0)
    assert found.update.stats.skipped == sum(each.n_patches for each in channel.of(Progress)) > 0


@pytest.mark.parametrize("looks", [True, False])
def test_a_region_that_is_asked_to_stop_says_so(looks):
    job, handle, _ = job_of()
    done = RegionServer(job)(Assignment(Box(0, 64, 0, 96), None if looks else handle), Hears(stop_after=0))
    assert isinstance(done, Computed)
    assert done.stopped


def test_a_job_travels_without_who_hears_of_it():
    job, handle, _ = job_of()
    server = unpack(pack_job(job))
    channel = Hears()
    assert isinstance(server(Assignment(Box(0, 32, 0, 96), handle), channel), Computed)
    assert not any(progress.happened for progress in channel.of(Progress))
    stays, _, _ = job_of(operator=Unsendable())
    with pytest.raises(TransportError, match="operator"):
        pack_job(stays)


class Unsendable:
    """Like `far.bend`, but it stays where it is."""

    def __call__(self, patch):
        return far.bend(patch)

    def __reduce_ex__(self, protocol):
        raise TypeError("it stays here")


def test_only_assignments_are_done():
    with pytest.raises(TypeError, match="str is not an assignment"):
        RegionServer(job_of()[0])("a region", Hears())
