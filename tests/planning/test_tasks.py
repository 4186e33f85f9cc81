"""Plans cut for workers: whole blocks, small halos, bounded memory; held against lists of boxes."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import numpy as np
import pytest
from affine import Affine
from hypothesis import assume, given
from hypothesis import settings as how
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.core.domain import RasterDomain
from geopatcher.engine.prepare import Sizes, make_plan
from geopatcher.errors import MemoryLimitError
from geopatcher.patching.samplers.scattered import SpatialRandom
from geopatcher.planning.memory import parse_bytes
from geopatcher.planning.tasks import MAX_TASK_PX, Tasks, cut_tasks
from places import ROOT


class Imagined:
    """A raster of any size that holds no pixel."""

    block_shape = (512, 512)
    has_nodata = True
    name = "imagined"

    def __init__(self, height, width, bands=1):
        self.domain = RasterDomain((bands, height, width), Affine.identity(), None, 0, np.dtype("uint16"))


def plan_of(height, width, size=256, step=None, chunks=512, sampler=None, bands=1, region=None):
    pair = size if isinstance(size, tuple) else (size, size)
    steps = step or (max(1, pair[0] // 2), max(1, pair[1] // 2))
    return make_plan(
        Imagined(height, width, bands),
        gp.SpatialRectangular(pair),
        sampler or gp.SpatialRegularStride(steps),
        gp.SpatialOverlapAdd(),
        chunks=chunks if isinstance(chunks, tuple) else (chunks, chunks),
        memory_limit=1 << 30,
        sizes=Sizes(bands, np.dtype("float32")),
        result_dtype=np.dtype("float32"),
        region=region,
    )


SMALL = {
    "height": st.integers(1, 300),
    "width": st.integers(1, 300),
    "size": st.tuples(st.integers(1, 40), st.integers(1, 40)),
    "chunks": st.tuples(st.integers(8, 64), st.integers(8, 64)),
}


@given(**SMALL, n_workers=st.integers(1, 12), corner=st.tuples(st.integers(0, 200), st.integers(0, 200)))
def test_tasks_tile_the_region_in_whole_blocks(height, width, size, chunks, n_workers, corner):
    assume(corner[0] < height and corner[1] < width)
    plan = plan_of(height, width, size, chunks=chunks, region=gp.Box(corner[0], height, corner[1], width))
    tasks = cut_tasks(plan, n_workers, 1 << 40)
    seen = np.zeros((height, width), int)
    for box in tasks:
        assert box.n_pixels
        assert box == plan.restrict(box).region, "a task is made of whole blocks"
        seen[box.slices()] += 1
    wanted = np.zeros_like(seen)
    wanted[plan.region.slices()] = 1
    assert (seen == wanted).all()
    assert len(list(tasks)) == len(tasks)
    assert tasks.largest[0] >= max(box.height for box in tasks)
    assert tasks.largest[1] >= max(box.width for box in tasks)
    assert tasks.n_patches == sum(plan.restrict(box).n_patches for box in tasks)


@how(max_examples=30)
@given(
    height=st.integers(60, 300), width=st.integers(60, 300), seed=st.integers(0, 99), cut=st.integers(1, 3)
)
def test_listed_anchors_are_counted_too(height, width, seed, cut):
    plan = plan_of(height, width, 9, chunks=20, sampler=SpatialRandom(50, seed=seed))
    tasks = Tasks(plan, cut, cut)
    assert tasks.n_patches == sum(plan.restrict(box).n_patches for box in tasks)
    assert tasks.overhead == pytest.approx(tasks.n_patches / 50 - 1)
    assert sum(box.n_pixels for box in cut_tasks(plan, 4, 1 << 40)) == height * width


@given(
    height=st.integers(20_000, 3_000_000),
    width=st.integers(20_000, 5_000_000),
    size=st.sampled_from([64, 128, 256, 512]),
    n_workers=st.integers(1, 500),
    memory=st.sampled_from([256 << 20, 1 << 30, 8 << 30]),
)
def test_large_rasters_keep_halo_memory_and_size(height, width, size, n_workers, memory):
    plan = plan_of(height, width, size)
    tasks = cut_tasks(plan, n_workers, memory)
    assert tasks.memory_bytes <= memory
    assert tasks.largest[0] * tasks.largest[1] <= 1.5 * MAX_TASK_PX
    enough = height * width > n_workers * (size / 0.02) ** 2
    if enough and memory > 256 << 20:
        assert tasks.overhead < 0.05
        assert len(tasks) >= n_workers


def test_a_global_mosaic_is_cut_by_arithmetic():
    plan = plan_of(2_000_000, 4_000_000)
    started = time.process_time()
    tasks = cut_tasks(plan, 1000, 1 << 30)
    assert 29_000 < len(tasks) < 31_000
    assert tasks.overhead < 0.02
    assert tasks.memory_bytes < 1 << 30
    assert time.process_time() - started < 5, "nothing is listed: it takes milliseconds"
    first, *_ = tasks
    assert first.row0 == first.col0 == 0


def test_two_workers_halve_a_small_raster_whatever_the_halo():
    tasks = cut_tasks(plan_of(2048, 2048, 256, step=(64, 64)), 2, 1 << 30)
    assert len(tasks) == 2
    assert tasks.overhead > 0.05


def test_hardly_a_worker_is_left_without_a_task():
    for n_workers in range(1, 20):
        assert len(cut_tasks(plan_of(10_980, 10_980), n_workers, 1 << 30)) >= 0.85 * n_workers


def test_storage_that_decodes_whole_rows_is_cut_into_rows():
    plan = plan_of(20_000, 20_000)
    rows = cut_tasks(plan, 8, 4 << 30, block_width=20_000)
    assert rows.n_cols == 1
    assert rows.n_rows >= 8
    assert cut_tasks(plan, 8, 4 << 30).n_cols > 1
    tight = cut_tasks(plan, 8, 200 << 20, block_width=20_000)
    assert tight.n_cols > 1, "memory comes first"
    assert tight.memory_bytes <= 200 << 20


def test_memory_that_does_not_suffice_is_told_with_what_would():
    plan = plan_of(10_000, 10_000)
    with pytest.raises(
        MemoryLimitError, match=r"8 workers have 16.0 MiB each, .*raise memory_limit to"
    ) as info:
        cut_tasks(plan, 8, 16 << 20)
    text = re.search(r"memory_limit to ([0-9.]+) ([KMG]iB)", str(info.value))
    total = parse_bytes(f"{text[1]}{text[2]}")
    assert cut_tasks(plan, 8, total // 8).memory_bytes <= total // 8


def test_a_cut_says_what_it_is():
    text = str(cut_tasks(plan_of(4096, 4096, 128), 2, 1 << 30))
    assert text.startswith("4 tasks of up to 2,048 x 2,048 pixels, ")
    assert text.endswith("patches computed twice: 3.20%")


def test_the_document_tells_what_the_code_does():
    script = ROOT / "docs" / "make_scaling_table.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
