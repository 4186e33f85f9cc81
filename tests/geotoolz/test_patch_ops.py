"""Sample, apply, stitch: streams that are sized, lazy, re-iterable, and carry their plan."""

from __future__ import annotations

import json
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import geopatcher as gp
import oracle
from geopatcher import SpatialOverlapAdd, SpatialPatcher
from geotoolz import Lambda, Operator, Sequential
from geotoolz.patch_ops import ApplyToChips, Chips, GridSampler, SplitApplyStitch, Stitch

IMAGE = np.random.default_rng(0).random((2, 64, 96))


def patcher_of(size, step, window=None, aggregation=None):
    return SpatialPatcher(
        gp.SpatialRectangular(size),
        gp.SpatialRegularStride(step),
        window or gp.SpatialBoxcar(),
        aggregation or SpatialOverlapAdd(),
    )


def test_sampling_plans_and_reads_nothing():
    class Unread(gp.fields.array_source.ArraySource):
        def read(self, box):
            raise AssertionError(box)

    source = Unread(IMAGE, gp.fields.array_source.ArraySource.of(IMAGE).domain)
    chips = GridSampler(patcher_of(16, 8))(gp.RasterField(source))
    assert isinstance(chips, Chips)
    assert len(chips) == chips.plan.n_patches == 7 * 11
    assert len(ApplyToChips(abs)(chips)) == 77
    with pytest.raises(gp.SourceError, match="AssertionError"):
        next(iter(chips))


def test_operators_run_when_they_are_iterated_and_each_time():
    calls = []
    chips = ApplyToChips(Lambda(lambda x: (calls.append(1), x * 2)[1]))(
        GridSampler(patcher_of(32, 32))(IMAGE)
    )
    assert calls == []
    for rounds in (1, 2):
        for chip, plain in zip(chips, patcher_of(32, 32).split(IMAGE), strict=True):
            np.testing.assert_array_equal(chip.data, plain.data * 2)
            assert (chip.anchor, chip.indices) == (plain.anchor, plain.indices)
        assert len(calls) == 6 * rounds


def test_patches_have_numbers():
    patcher = patcher_of(16, 8)
    plain = list(patcher.split(IMAGE))
    doubled = ApplyToChips(lambda x: 2 * x)(GridSampler(patcher)(IMAGE))
    for number in (0, 5, -1):
        np.testing.assert_array_equal(doubled[number].data, 2 * plain[number].data)
        assert doubled[number].anchor == plain[number].anchor
        np.testing.assert_array_equal(doubled.map(np.negative)[number].data, -2 * plain[number].data)
    assert [patch.anchor for patch in doubled[1:7:2]] == [patch.anchor for patch in plain[1:7:2]]
    with pytest.raises(IndexError):
        doubled[len(plain)]
    with pytest.raises(TypeError, match="one after the other"):
        ApplyToChips(abs)(patcher.split(IMAGE))[0]


def test_results_of_a_list_have_its_length():
    plain = list(patcher_of(16, 8).split(IMAGE))
    assert len(ApplyToChips(abs)(plain)) == len(plain)
    with pytest.raises(TypeError, match="has no len"):
        len(ApplyToChips(abs)(iter(plain)))
    with pytest.raises(TypeError, match="cannot be called"):
        ApplyToChips(3)


def test_a_pipeline_says_what_it_is_made_of():
    patcher = patcher_of(16, 8, gp.SpatialTukey(0.25))
    pipeline = GridSampler(patcher) | ApplyToChips(Lambda(np.negative)) | Stitch(SpatialOverlapAdd(), IMAGE)
    sampler, operator, stitch = json.loads(json.dumps(pipeline.get_config()))["steps"]
    assert SpatialPatcher.from_config(sampler["patcher"]["config"]) == patcher
    assert operator["operator"]["function"] == "numpy:negative"
    assert stitch["aggregation"] == {"class": "SpatialOverlapAdd", "config": SpatialOverlapAdd().get_config()}
    assert stitch["domain"] == {"shape": [2, 64, 96]}
    domain = gp.RasterDomain((64, 96))
    told = Stitch(SpatialOverlapAdd(), domain).get_config()["domain"]
    assert gp.RasterDomain.from_config(told["config"]) == domain
    inner = SplitApplyStitch(patcher, abs).get_config()
    assert SpatialPatcher.from_config(inner["patcher"]["config"]) == patcher
    assert inner["operator"]["function"] == "builtins:abs"


def test_no_list_of_patches_is_held():
    results = []
    most = 0

    def watch(data):
        nonlocal most
        result = data.copy()
        results.append(weakref.ref(result))
        most = max(most, sum(held() is not None for held in results))
        return result

    pipeline = Sequential(
        [GridSampler(patcher_of(8, 4)), ApplyToChips(watch), Stitch(SpatialOverlapAdd(), IMAGE)]
    )
    np.testing.assert_allclose(pipeline(IMAGE), IMAGE, rtol=1e-14)
    assert len(results) == 15 * 23
    assert most <= 4


def test_steps_compose_with_bars_and_say_what_they_are():
    pipeline = GridSampler(patcher_of(16, 8)) | ApplyToChips(abs) | Stitch(SpatialOverlapAdd(), IMAGE)
    assert isinstance(pipeline, Operator)
    assert pipeline.name == "GridSampler | ApplyToChips | Stitch"
    assert [step["type"] for step in pipeline.get_config()["steps"]] == [
        "GridSampler",
        "ApplyToChips",
        "Stitch",
    ]
    np.testing.assert_allclose(pipeline(IMAGE), IMAGE, rtol=1e-14)


@settings(max_examples=25)
@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(10, 40), st.integers(0, 5)),
    st.tuples(st.integers(4, 12), st.integers(0, 2)),
)
def test_a_patcher_within_a_patcher_gives_the_field_back(shape, outside, inside):
    image = np.random.default_rng(0).random(shape)
    outer = patcher_of(outside[0], outside[0] - outside[1], gp.SpatialHann())
    inner = patcher_of(inside[0], inside[0] - inside[1], gp.SpatialHann())
    per_tile = SplitApplyStitch(inner, Lambda(lambda x: x * 2))
    pipeline = Sequential([GridSampler(outer), ApplyToChips(per_tile), Stitch(SpatialOverlapAdd(), image)])
    assert oracle.ulps(pipeline(image), image * 2) <= 8


def test_super_tiles_are_written_as_soon_as_they_are_done(tmp_path):
    """While the last super-tile is computed, the first rows are in the store already."""
    chunks = tmp_path / "x.zarr.partial"
    seen = []

    def watch(chip):
        seen.append(len([path for path in chunks.rglob("data/c/*") if path.is_dir() or path.is_file()]))
        return chip * 2

    outer, inner = patcher_of(32, 32), patcher_of(8, 8)
    to_disk = SpatialOverlapAdd(streaming=True, target_path=tmp_path / "x.zarr", chunks=32, dtype="float64")
    image = np.random.default_rng(0).random((320, 64))
    pipeline = Sequential(
        [GridSampler(outer), ApplyToChips(SplitApplyStitch(inner, watch)), Stitch(to_disk, image)]
    )
    stored = pipeline(image)
    np.testing.assert_array_equal(stored[:], image * 2)
    assert stored.chunks == (32, 32)
    assert seen[0] == 0
    assert seen[-1] > 0
    assert len(seen) == (320 // 8) * (64 // 8)
