"""Patches as Dask tasks: the patches of `split`, read inside the task, in batches."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import far
import geopatcher as gp
from geopatcher.executors.workers.pickling import pack
from geopatcher.patching.samplers.scattered import SpatialRandom

dask = pytest.importorskip("dask")
IMAGE = np.random.default_rng(9).random((2, 60, 90), dtype="float32")


def patcher_of(size, step, boundary="cover", sampler=None):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(size, boundary),
        sampler or gp.SpatialRegularStride(step),
        gp.SpatialHann(),
        gp.SpatialOverlapAdd(),
    )


def same(got, wanted):
    assert [patch.anchor for patch in got] == [patch.anchor for patch in wanted]
    for one, other in zip(got, wanted, strict=True):
        assert np.asarray(one.data).tobytes() == np.asarray(other.data).tobytes()
        assert one.weights.tobytes() == other.weights.tobytes()
        assert one.indices == other.indices


@how(max_examples=25)
@given(
    size=st.integers(3, 40),
    step=st.integers(2, 30),
    batch=st.integers(1, 40),
    boundary=st.sampled_from(["cover", "reflect", "pad", "shrink", "drop"]),
)
def test_batches_are_the_patches_of_a_split(size, step, batch, boundary):
    patcher = patcher_of(size, min(step, size), boundary)
    batches = dask.compute(*patcher.to_delayed(IMAGE, batch_size=batch), scheduler="sync")
    assert all(len(patches) <= batch for patches in batches)
    same([patch for patches in batches for patch in patches], list(patcher.split(IMAGE)))


def test_scattered_patches_too():
    patcher = patcher_of(8, 4, sampler=SpatialRandom(40, seed=1))
    same(dask.compute(*patcher.to_delayed(IMAGE), scheduler="sync"), list(patcher.split(IMAGE)))


def test_a_bag_of_patches():
    patcher = patcher_of(16, 8)
    bag = patcher.to_dask_bag(IMAGE)
    total = bag.map(lambda patch: float(patch.data.sum())).sum().compute(scheduler="threads")
    assert total == pytest.approx(sum(float(patch.data.sum()) for patch in patcher.split(IMAGE)))


def test_an_operator_is_applied_inside_the_task():
    patcher = patcher_of(16, 8)
    patches = dask.compute(*patcher.to_delayed(IMAGE, far.bend), scheduler="sync")
    same(patches, [patch.with_data(far.bend(patch.data)) for patch in patcher.split(IMAGE)])


def test_no_pixel_is_in_the_graph_and_a_batch_is_read_at_once(tmp_path, monkeypatch):
    path = tmp_path / "scene.tif"
    profile = {"driver": "GTiff", "count": 2, "height": 60, "width": 90, "dtype": "float32"}
    with rasterio.open(path, "w", **profile) as out:
        out.write(IMAGE)
    patcher = patcher_of(8, 4)
    tasks = patcher.to_delayed(path, batch_size=64)
    assert sum(len(pack(dict(task.__dask_graph__()))) for task in tasks) / len(tasks) < 6000
    reads = []
    source = type(gp.RasterField(path).source)
    read = source.read
    monkeypatch.setattr(source, "read", lambda self, box: (reads.append(box), read(self, box))[1])
    tasks[0].compute(scheduler="sync")
    assert [str(box) for box in reads] == ["rows 0:8, columns 0:90"]


def test_wrong_sizes():
    with pytest.raises(ValueError, match="batch_size must be 1 or more, not 0"):
        patcher_of(8, 4).to_delayed(IMAGE, batch_size=0)
