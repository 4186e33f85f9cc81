"""With a cache patches are those of a pass without one, and only what is missing is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counting import Counted, equal, files, image, inside, patcher
from geopatcher import PatchCache
from geopatcher.core.box import Box
from geopatcher.patching.samplers.explicit import SpatialExplicit

BOUNDARIES = ["cover", "drop", "pad", "reflect", "shrink"]


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 24), st.integers(1, 12)),
    lattice=st.tuples(st.integers(1, 12), st.integers(2, 14), st.sampled_from(BOUNDARIES)),
    explicit=st.none() | st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=6),
    dropped=st.integers(0, 2**32),
    unit_rows=st.sampled_from([3, 256]),
)
def test_cold_warm_and_half_warm_passes_are_those_without_a_cache(
    tmp_path_factory, shape, lattice, explicit, dropped, unit_rows
):
    source = Counted(image(*shape))
    made = patcher(
        *lattice, sampler=None if explicit is None else SpatialExplicit(inside(explicit, shape, lattice))
    )
    expected = list(made.split(source))
    cache = PatchCache(tmp_path_factory.mktemp("cache"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("geopatcher.engine.sizing.unit_rows", lambda _: unit_rows)
        assert equal(made.split(source, cache=cache), expected)
        rng = np.random.default_rng(dropped)
        share = rng.random()
        for path in files(cache):
            if rng.random() < share:
                path.unlink()
        assert equal(made.split(source, cache=cache), expected)
        source.boxes.clear()
        assert equal(made.split(source, cache=cache), expected)
    assert source.boxes == []


def test_a_cold_pass_reads_each_strip_once_and_a_warm_one_nothing(tmp_path):
    source, cache = Counted(image(600, 14)), PatchCache(tmp_path)
    made = patcher()
    n_patches = made.n_anchors(source)
    list(made.split(source, cache=cache))
    times = np.zeros((600, 14), int)
    for box in source.boxes:
        times[box.slices()] += 1
    assert (times == 1).all()
    assert (cache.hits, cache.misses) == (0, n_patches)
    source.boxes.clear()
    list(made.split(source, cache=cache))
    assert source.boxes == []
    assert (cache.hits, cache.misses) == (n_patches, n_patches)


def test_a_few_missing_patches_are_read_by_themselves(tmp_path):
    source, cache = Counted(image(600)), PatchCache(tmp_path)
    list(patcher().split(source, cache=cache))
    source.boxes.clear()
    next(path for path in files(cache) if path.name == "400_408_4_12.npy").unlink()
    list(patcher().split(source, cache=cache))
    assert source.boxes == [Box(400, 408, 4, 12)]


def test_rows_above_the_first_miss_are_not_read(tmp_path):
    source, cache = Counted(image(600, 14)), PatchCache(tmp_path)
    list(patcher().split(source, cache=cache))
    source.boxes.clear()
    for path in files(cache):
        if int(path.name.split("_")[0]) >= 400:
            path.unlink()
    list(patcher().split(source, cache=cache))
    assert source.boxes == [Box(400, 512, 0, 14), Box(512, 600, 0, 14)]


def test_rows_between_misses_are_not_read(tmp_path):
    source, cache = Counted(image(900, 14)), PatchCache(tmp_path)
    expected = list(patcher().split(source, cache=cache))
    source.boxes.clear()
    for path in files(cache):
        if int(path.name.split("_")[0]) in {0, 800}:
            path.unlink()
    assert equal(patcher().split(source, cache=cache), expected)
    assert source.boxes == [Box(0, 256, 0, 14), Box(800, 900, 0, 14)]


def test_a_patch_that_looks_back_finds_its_rows(tmp_path):
    # The second patch overhangs and mirrors rows above the first one's.
    made = patcher(12, boundary="reflect", sampler=SpatialExplicit([(9, 0), (19, 0)]))
    source = Counted(image(20, 14))
    assert equal(made.split(source, cache=PatchCache(tmp_path)), made.split(source))
