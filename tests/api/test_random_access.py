from __future__ import annotations

import itertools
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counting import inside
from geopatcher import (
    IndexedPatchView,
    Patch,
    PatchCache,
    RasterDomain,
    RasterField,
    SpatialHann,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
)
from geopatcher.errors import SourceError
from geopatcher.patching.samplers.explicit import SpatialExplicit
from geopatcher.planning.anchors import Listed
from views import IMAGE, patcher, same


@dataclass(eq=False)
class Fussy:
    """A source that counts its reads and cannot stand two at once."""

    array: np.ndarray
    reads: int = 0
    failing: int = 0
    has_nodata: bool = False
    name: str = "fussy"
    block_shape: tuple[int, int] = (16, 16)
    busy: threading.Lock = field(default_factory=threading.Lock)

    @property
    def domain(self):
        return RasterDomain(self.array.shape, dtype=self.array.dtype)

    def read(self, box):
        assert self.busy.acquire(blocking=False), "read by two threads at once"
        try:
            self.reads += 1
            time.sleep(1e-5)  # lets another thread in
            if self.failing:
                self.failing -= 1
                raise OSError("busy")
            return self.array[(slice(None), *box.slices())]
        finally:
            self.busy.release()

    def valid(self, box, pixels):
        return None

    def identity(self):
        return {"name": self.name}


@dataclass(frozen=True, eq=False)
class FussyField:
    source: Fussy
    gives_windows: bool = False

    @property
    def domain(self):
        return self.source.domain

    def select(self, indexer):
        raise NotImplementedError

    def with_data(self, array):
        raise NotImplementedError

    def dress(self, pixels, box):
        return pixels


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 24), st.integers(1, 16)),
    bands=st.integers(0, 2),
    lattice=st.tuples(
        st.integers(1, 12), st.integers(2, 14), st.sampled_from(["cover", "drop", "pad", "reflect", "shrink"])
    ),
    explicit=st.none() | st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=6),
    preload=st.booleans(),
)
def test_a_view_holds_what_split_yields(shape, bands, lattice, explicit, preload):
    data = np.arange(max(1, bands) * np.prod(shape), dtype=np.float32).reshape(
        (bands, *shape) if bands else shape
    )
    made = patcher(
        *lattice, sampler=None if explicit is None else SpatialExplicit(inside(explicit, shape, lattice))
    )
    patches = list(made.split(data))
    view = IndexedPatchView(made, data, preload=preload)
    assert len(view) == len(patches)
    for index, patch in enumerate(patches):
        assert same(view[index], patch)
        assert same(view[index - len(patches)], patch)


def test_numbers_and_slices_are_those_of_a_list():
    made = patcher()
    view, patches = IndexedPatchView(made, IMAGE), list(made.split(IMAGE))
    for which in (slice(None), slice(3, 7), slice(-4, None), slice(10, 2, -3), slice(50, 60)):
        found = view[which]
        assert isinstance(found, list)
        assert all(map(same, found, patches[which])), which
        assert len(found) == len(patches[which])
    assert same(view[np.int64(5)], patches[5])
    assert all(map(same, view, patches))
    for outside in (28, -29):
        with pytest.raises(IndexError, match=f"there is no patch {outside}: the view has 28"):
            view[outside]
    with pytest.raises(TypeError):
        view["3"]


def test_nothing_but_the_patch_is_read_and_nothing_twice_with_a_cache():
    source = Fussy(IMAGE)
    view = IndexedPatchView(patcher(), FussyField(source))
    assert source.reads == 0
    view[0], view[0]
    assert source.reads == 2
    cached = IndexedPatchView(patcher(), FussyField(source), cache=True)
    _ = [cached[index] for index in (0, 5, 0, -23, 5)]
    assert source.reads == 4


def test_a_cache_with_a_size_keeps_what_was_used_last():
    source = Fussy(IMAGE)
    view = IndexedPatchView(patcher(), FussyField(source), cache_size=2)
    for index, reads in [(0, 1), (1, 2), (0, 2), (2, 3), (0, 3), (1, 4), (2, 5), (1, 5)]:
        view[index]
        assert source.reads == reads, index


def test_preloading_reads_each_strip_once():
    source = Fussy(np.tile(IMAGE, (1, 30, 1)))  # 600 rows
    view = IndexedPatchView(patcher(), FussyField(source), preload=True)
    assert source.reads == 3
    _ = view[:]
    assert source.reads == 3


@pytest.mark.parametrize("options", [{"cache": True}, {"preload": True}, {"cache_size": 5}])
def test_what_is_kept_is_one_patch_that_nobody_writes_into(options):
    view = IndexedPatchView(patcher(), IMAGE, **options)
    assert view[3] is view[3]
    with pytest.raises(ValueError, match="read-only"):
        view[3].data[:] = -1
    view.clear_cache()
    assert same(view[3], next(itertools.islice(patcher().split(IMAGE), 3, None)))


def test_a_cache_on_disk_is_that_of_split(tmp_path):
    source, cache = Fussy(IMAGE), PatchCache(tmp_path)
    view = IndexedPatchView(patcher(), FussyField(source), cache=cache)
    wanted = list(patcher().split(IMAGE))
    assert all(map(same, view, wanted))
    reads = source.reads
    assert cache.stats()["entries"] == len(view)
    assert view[3] is view[3]
    copy = pickle.loads(pickle.dumps(IndexedPatchView(patcher(), IMAGE, cache=cache)))  # noqa: S301
    assert same(copy[5], wanted[5])
    assert all(map(same, IndexedPatchView(patcher(), FussyField(source), cache=cache), wanted))
    assert all(map(same, patcher().split(FussyField(source), cache=cache), wanted))
    assert source.reads == reads, "all of it was there"
    view.clear_cache()
    assert cache.stats()["entries"] == 0


def test_patches_are_found_by_where_they_sit():
    source = Fussy(IMAGE)
    view = IndexedPatchView(patcher(), FussyField(source))
    other = Patch(None, (0, 8), None)
    assert view.anchors == [patch.anchor for patch in patcher().split(IMAGE)]
    assert (view.index(other), view.count(other), other in view) == (2, 1, True)
    outside = Patch(None, (1, 8), None)
    assert (view.count(outside), outside in view, "x" in view) == (0, False, False)
    for wrong in (outside, "x"):
        with pytest.raises(ValueError, match="no patch of IndexedPatchView"):
            view.index(wrong)
    with pytest.raises(ValueError, match="no patch"):
        view.index(other, 3)
    assert source.reads == 0


def test_no_item_looks_at_the_whole_list_of_places(monkeypatch):
    view = IndexedPatchView(patcher(sampler=SpatialExplicit([(0, 0), (4, 8), (9, 2)])), IMAGE)

    def looked(*_):
        raise AssertionError("a million places would be gone through for each patch")

    monkeypatch.setattr(Listed, "within", looked)
    monkeypatch.setattr(Listed, "count_in", looked)
    assert [view[index].anchor for index in (0, 2, -1)] == [(0, 0), (9, 2), (9, 2)]
    assert (view.anchors[1], view.index(view[1]), len(view)) == ((4, 8), 1, 3)


def test_what_is_written_into_a_patch_stays_there():
    view = IndexedPatchView(patcher(), IMAGE)
    before = view[3].data.copy()
    view[3].data[:] = -1
    np.testing.assert_array_equal(view[3].data, before)
    np.testing.assert_array_equal(IMAGE, np.random.default_rng(0).normal(size=(2, 20, 30)).astype(np.float32))


@pytest.mark.parametrize("options", [{}, {"cache": True}, {"preload": True}])
def test_a_sampler_without_places_makes_an_empty_view(options):
    patcher = SpatialPatcher(SpatialRectangular(8), SpatialExplicit([]), SpatialHann(), SpatialOverlapAdd())
    view = IndexedPatchView(patcher, np.zeros((20, 30)), **options)
    again = pickle.loads(pickle.dumps(view))  # noqa: S301 - our own
    for empty in (view, again):
        assert (len(empty), list(empty), empty[:], list(empty.anchors)) == (0, [], [], [])
        assert repr(empty) == "IndexedPatchView(ndarray float64 (20, 30), no patches)"
        with pytest.raises(IndexError, match="there is no patch 0: the view has 0"):
            empty[0]


def test_sizes_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="cache_size must be 1 or more, not 0: pass None"):
        IndexedPatchView(patcher(), IMAGE, cache_size=0)
    with pytest.raises(ValueError, match="preload=True keeps all 28 patches, and cache_size=3 allows fewer"):
        IndexedPatchView(patcher(), IMAGE, preload=True, cache_size=3)


def test_reads_are_retried_and_then_an_error_whatever_the_policy():
    view = IndexedPatchView(patcher(max_retries=2), FussyField(Fussy(IMAGE, failing=2)))
    np.testing.assert_array_equal(view[0].data, IMAGE[:, :8, :8])
    for on_error in ("raise", "skip", "mask"):
        view = IndexedPatchView(patcher(on_error=on_error), FussyField(Fussy(IMAGE, failing=99)))
        with pytest.raises(SourceError, match=r"cannot read rows 0:8, columns 0:8 of fussy: OSError: busy"):
            view[0]


@pytest.mark.parametrize("options", [{}, {"cache_size": 3}])
def test_threads_share_a_view(options):
    source = Fussy(IMAGE)
    made = patcher()
    expected = list(made.split(IMAGE))
    view = IndexedPatchView(made, FussyField(source), **options)
    order = np.random.default_rng(1).integers(0, len(view), 400).tolist()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(view.__getitem__, order))
    assert all(same(patch, expected[index]) for patch, index in zip(found, order, strict=True))


def test_a_view_pickles_without_what_it_has_read():
    view = IndexedPatchView(patcher(), RasterField.from_array(IMAGE), preload=True)
    copy = pickle.loads(pickle.dumps(view))  # noqa: S301
    assert all(map(same, copy, view))
    bare = IndexedPatchView(patcher(), RasterField.from_array(IMAGE))
    assert len(pickle.dumps(view)) == len(pickle.dumps(bare))
