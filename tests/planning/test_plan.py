"""The plan: what a run will do and cost, before any pixel is read."""

from __future__ import annotations

import itertools
import pickle
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import IncompleteScanConfiguration, MemoryLimitError
from geopatcher.fields.array_source import ArraySource
from geopatcher.planning.anchors import lattice_of, place

Box = gp.Box


class Unreadable:
    """An array that must not be touched."""

    def __init__(self, shape, dtype="uint16"):
        self.shape, self.dtype = shape, np.dtype(dtype)

    def __getitem__(self, index):
        raise AssertionError("a plan reads no pixel")


def unreadable(shape, **record):
    return gp.RasterField(ArraySource.of(Unreadable(shape), **record))


def test_a_plan_reads_no_pixel_and_says_what_it_will_do():
    plan = gp.plan(unreadable((4, 1000, 2000)), size=256, step=128)
    assert plan.n_patches == 7 * 15
    assert plan.shape == (1000, 2000)
    assert plan.overlap == 0.5
    assert len(plan.blocks) == 2 * 4
    assert plan.coverage.complete
    assert str(plan.coverage) == "all 2,000,000 pixels"
    text = str(plan)
    for words in (
        "1,000 x 2,000 pixels",
        "105 of 256x256, overlap 50%",
        "8 of 512x512",
        "before compression",
    ):
        assert words in text


def test_disk_bytes_are_those_of_the_result():
    plan = gp.plan(unreadable((4, 1000, 2000)), dtype="uint8", out_bands=3)
    assert plan.disk_bytes == 3 * 1000 * 2000


@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.tuples(st.integers(1, 64), st.integers(1, 64)),
    st.data(),
)
def test_blocks_tile_the_region_and_a_restricted_plan_holds_whole_blocks(height, width, chunks, data):
    plan = gp.plan(np.zeros((height, width), "uint8"), size=16, chunks=chunks)
    blocks = list(plan.blocks)
    assert len(blocks) == len(plan.blocks)
    seen = np.zeros((height, width), int)
    for block in blocks:
        seen[block.slices()] += 1
    assert (seen == 1).all()
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    part = plan.restrict(Box(row, row + 1, col, col + 1))
    assert list(part.blocks) == [block for block in blocks if block.contains(Box(row, row + 1, col, col + 1))]
    assert part.n_patches == plan.anchors.count_in(part.region)
    assert part.restrict(Box(0, height, 0, width)) == part


def test_restricting_to_nothing_is_refused():
    plan = gp.plan(np.zeros((100, 100), "uint8"))
    with pytest.raises(
        ValueError, match=r"rows 200:300, columns 0:10 holds no pixel of the plan's rows 0:100"
    ):
        plan.restrict(Box(200, 300, 0, 10))
    left = gp.plan(np.zeros((100, 100), "uint8"), chunks=50).restrict(Box(0, 50, 0, 50))
    with pytest.raises(ValueError, match="holds no pixel"):
        left.restrict(Box(0, 50, 50, 100))


def test_column_regions_are_whole_blocks_side_by_side_and_keep_the_limit():
    plan = gp.plan(unreadable((2048, 400_000)), size=256, step=128, memory_limit="256MiB")
    regions = list(plan.regions())
    assert len(regions) == plan.n_regions > 1
    edges = [region.region.col0 for region in regions] + [regions[-1].region.col1]
    assert edges[0] == 0
    assert edges[-1] == 400_000
    assert edges == sorted(set(edges))
    assert all(edge % 512 == 0 for edge in edges[:-1])
    assert all((r.region.row0, r.region.row1) == (0, 2048) for r in regions)
    assert plan.working_bytes <= 256 << 20
    assert all(region.working_bytes <= plan.working_bytes for region in regions)
    straddling = sum(region.n_patches for region in regions) - plan.n_patches
    assert plan.overhead == pytest.approx(straddling / plan.n_patches)
    assert 0 < plan.overhead < 0.02


@pytest.mark.parametrize("step", [(128, 128), (100, 96)])
def test_what_regions_compute_twice_is_counted_at_their_borders(step):
    plan = gp.plan(unreadable((700, 200_000)), size=200, step=step, chunks=64, memory_limit="90MiB")
    regions = plan.restrict(Box(64, 320, 3000, 190_000))
    assert regions.n_regions > 20
    together = sum(region.n_patches for region in regions.regions())
    assert regions.overhead == pytest.approx(together / regions.n_patches - 1)


@pytest.mark.parametrize("shape", [(100, 10**12), (2, 2**40, 2**40), (2**62, 2**62)])
def test_a_plan_of_a_raster_as_large_as_a_damaged_header_says_is_told_at_once(shape):
    tiled = replace(ArraySource.of(Unreadable(shape)), block=(512, 512))
    plan = gp.plan(gp.RasterField(tiled), size=64, step=32)
    rows, cols = (-(-length // 512) for length in shape[-2:])
    assert f"blocks     {rows * cols:,} of 512x512" in str(plan)
    first, second = itertools.islice(plan.regions(), 2)
    straddling = 1 / (first.region.width / 32)  # one column of patches at each border
    assert plan.overhead == pytest.approx(straddling, rel=0.1)
    assert first.region.col1 == second.region.col0


def test_one_region_has_no_overhead():
    plan = gp.plan(unreadable((2048, 2048)))
    assert (plan.n_regions, plan.overhead) == (1, 0.0)
    assert next(plan.regions()) == plan


def test_a_limit_that_not_even_one_column_of_blocks_keeps_is_refused():
    with pytest.raises(MemoryLimitError, match=r"patch 2048x2048 .* memory_limit is 64.0 MiB: use a smaller"):
        gp.plan(unreadable((4096, 4096)), size=2048, memory_limit="64MiB")


@pytest.mark.parametrize(
    ("size", "step", "boundary", "left_out", "advice"),
    [
        (
            8,
            12,
            "cover",
            "4,816 of 10,000",
            r"step is 12x12, boundary='cover': use step <= size \(size is 8x8",
        ),
        (48, 48, "drop", "784 of 10,000", 'boundary="cover"'),
    ],
)
def test_pixels_left_out_are_counted_and_the_fix_is_named(size, step, boundary, left_out, advice):
    image = np.zeros((100, 100), "uint8")
    plan = gp.plan(image, size=size, step=step, boundary=boundary, allow_gaps=True)
    assert not plan.coverage.complete
    wanted = plan.coverage.uncovered / 10_000
    assert plan.coverage.fraction == pytest.approx(1 - wanted)
    with pytest.raises(IncompleteScanConfiguration, match=f"{left_out} pixels are left out"):
        plan.require_coverage()
    with pytest.raises(IncompleteScanConfiguration, match=advice):
        plan.require_coverage()
    with pytest.raises(IncompleteScanConfiguration, match="allow_gaps=True"):
        gp.reconstruct(image, abs, size=size, step=step, boundary=boundary)
    with pytest.raises(IncompleteScanConfiguration, match="allow_gaps=True"):
        gp.plan(image, size=size, step=step, boundary=boundary)


def test_planets_are_planned_at_once():
    tracemalloc.start()
    plan = gp.plan(unreadable((4_000_000, 2_000_000)), size=256, step=128)
    text = str(plan)
    part = plan.restrict(Box(1_000_000, 1_000_100, 0, 2_000_000))
    assert part.n_patches < 5 * 15_625
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "488,234,376 of 256x256" in text
    assert peak < 2 << 20


def test_a_plan_pickles_and_equals_its_copy():
    plan = gp.plan(np.zeros((3, 100, 200), "uint8"), size=32)
    copy = pickle.loads(pickle.dumps(plan))  # noqa: S301 - our own bytes
    assert copy == plan
    assert str(copy) == str(plan)


def test_anchors_of_a_sampler_without_axes_are_listed():
    sampler = gp.SpatialJitteredStride(8, seed=1)
    domain, geometry = RasterDomain((40, 60)), gp.SpatialRectangular(16)
    anchors = place(domain, geometry, sampler)
    assert anchors.count == len(list(sampler.anchors(domain, geometry)))
    patcher = gp.SpatialPatcher(geometry, sampler, gp.SpatialHann(), gp.SpatialOverlapAdd())
    assert patcher.plan(np.zeros((40, 60))).overlap > 0.3


@given(st.integers(1, 12), st.integers(-12, 20), st.integers(1, 20), st.sampled_from(["reflect", "pad"]))
def test_reach_is_what_a_patch_is_made_of(length, start, size, boundary):
    plan = gp.plan(np.zeros((length, length), "uint8"), size=size, boundary=boundary)
    box = Box(start, start + size, start, start + size)
    reach = plan.reach(box)
    if boundary == "pad":
        assert reach == box.intersect(Box(0, length, 0, length))
        return
    big = np.pad(np.arange(length), 40, mode="reflect" if length > 1 else "edge")
    shown = big[start + 40 : start + 40 + size]
    assert reach.row0 <= shown.min()
    assert reach.row1 > shown.max()
    if Box(0, length, 0, length).contains(box):
        assert reach == box


def test_a_lattice_by_numbers():
    assert lattice_of((100, 100), (32, 32), (16, 16), "cover").count == 36
