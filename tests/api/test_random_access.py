from __future__ import annotations

import gc
import itertools
import multiprocessing
import pickle
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.env import get_gdal_config

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
    SpatialRegularStride,
    stack_patches,
)
from geopatcher.errors import SourceError
from geopatcher.formats.gdal_environment import environment
from geopatcher.patching.samplers.explicit import SpatialExplicit
from geopatcher.planning.anchors import Listed
from geotiffs import write_geotiff


def patcher(size=8, step=4, boundary="cover", sampler=None, **policy):
    return SpatialPatcher(
        SpatialRectangular(size, boundary),
        sampler or SpatialRegularStride(step),
        SpatialHann(),
        SpatialOverlapAdd(),
        **policy,
    )


def same(first, second):
    return (
        first.anchor == second.anchor
        and first.indices == second.indices
        and np.array_equal(first.data, second.data, equal_nan=True)
        and first.data.dtype == second.data.dtype
        and np.array_equal(first.weights, second.weights)
    )


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


IMAGE = np.random.default_rng(0).normal(size=(2, 20, 30)).astype(np.float32)


# --- the view -----------------------------------------------------------------------------------


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


def file_of(tmp_path):
    path = tmp_path / "scene.tif"
    transform = Affine(10, 0, 0, 0, -10, 0)
    with rasterio.open(
        path, "w", driver="GTiff", height=20, width=30, count=2, dtype="float32", transform=transform
    ) as dataset:
        dataset.write(IMAGE)
    return path


def test_threads_read_a_file_at_once(tmp_path):
    view = IndexedPatchView(patcher(), file_of(tmp_path))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(view.__getitem__, [*range(len(view))] * 5))
    assert all(map(same, found, list(patcher().split(IMAGE)) * 5))


def load(view, indices):
    """What a worker of a data loader does."""
    return stack_patches(view[index] for index in indices)


def test_spawned_workers_read_batches(tmp_path):
    view = IndexedPatchView(patcher(), file_of(tmp_path), preload=True)
    batches = [[0, 3, 27], [5, 5]]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.starmap(load, [(view, batch) for batch in batches])
    for batch, made in zip(batches, found, strict=True):
        expected = load(view, batch)
        np.testing.assert_array_equal(made, expected.data)
        np.testing.assert_array_equal(made.anchors, expected.anchors)


def test_a_view_pickles_without_what_it_has_read():
    view = IndexedPatchView(patcher(), RasterField.from_array(IMAGE), preload=True)
    copy = pickle.loads(pickle.dumps(view))  # noqa: S301
    assert all(map(same, copy, view))
    bare = IndexedPatchView(patcher(), RasterField.from_array(IMAGE))
    assert len(pickle.dumps(view)) == len(pickle.dumps(bare))


# --- files --------------------------------------------------------------------------------------


def test_a_file_is_opened_once_for_all_patches(tmp_path, monkeypatch):
    path = write_geotiff(tmp_path / "image.tif", IMAGE, tiled=True, blockxsize=16, blockysize=16)
    view = IndexedPatchView(patcher(), path)
    opened, opens = [], rasterio.open
    monkeypatch.setattr(
        rasterio, "open", lambda *given, **named: opened.append(given) or opens(*given, **named)
    )
    order = np.random.default_rng(0).permutation(len(view)).tolist()
    for index in order:
        assert same(view[index], IndexedPatchView(patcher(), IMAGE)[index])
    again = pickle.loads(pickle.dumps(view))  # noqa: S301 - ours
    _ = [again[index] for index in order]
    assert len(opened) <= 1  # by whoever looked at the file first


def test_what_a_mask_says_is_told_of_a_patch(tmp_path):
    known = np.random.default_rng(1).random((20, 30)) < 0.7
    path = write_geotiff(tmp_path / "image.tif", np.ones((2, 20, 30), "uint8"))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(known)
    for cache in (False, True, PatchCache(tmp_path / "cache")):
        view = IndexedPatchView(patcher(boundary="pad", step=6), path, cache)
        for _ in range(2):
            for patch in view:
                row, col = patch.anchor
                wanted = np.zeros((8, 8), bool)
                inside = known[row : row + 8, col : col + 8]
                wanted[: inside.shape[0], : inside.shape[1]] = inside
                found = view.valid(patch)
                if found is None:
                    assert wanted.all()
                else:
                    np.testing.assert_array_equal(found, np.stack([wanted, wanted]))
    assert IndexedPatchView(patcher(), IMAGE).valid(view[0]) is None


def test_gdal_keeps_tiles_for_as_long_as_a_view_lives():
    before = get_gdal_config("GDAL_CACHEMAX")
    view = IndexedPatchView(patcher(), IMAGE, tile_cache="3GiB")
    other = pickle.loads(pickle.dumps(view))  # noqa: S301 - ours
    del view
    with environment():
        assert get_gdal_config("GDAL_CACHEMAX") == 3 << 30
    assert get_gdal_config("GDAL_CACHEMAX") == max(before, 3 << 30)
    del other
    gc.collect()
    assert get_gdal_config("GDAL_CACHEMAX") == before
    with environment():
        assert get_gdal_config("GDAL_CACHEMAX") < 3 << 30
    assert get_gdal_config("GDAL_CACHEMAX") == before
    with pytest.raises(ValueError, match="'much' is not a size"):
        IndexedPatchView(patcher(), IMAGE, tile_cache="much")


def test_a_file_that_is_edited_has_other_entries_in_a_cache(tmp_path, monkeypatch):
    """The view is held, the grid stays: old entries are not given, and new pixels not kept as old ones."""
    monkeypatch.setattr("geopatcher.runs.source_watch.PATIENCE", 0)
    path, kept = tmp_path / "a.tif", tmp_path / "kept.tif"
    write_geotiff(path, IMAGE)
    shutil.copy2(path, kept)
    cache = PatchCache(tmp_path / "cache")
    view = IndexedPatchView(patcher(), RasterField(path), cache=cache)
    np.testing.assert_array_equal(view[0].data, IMAGE[..., :8, :8])
    write_geotiff(path, IMAGE + 1)
    for index in (0, 1):  # one that is kept, and one that is not
        np.testing.assert_array_equal(view[index].data, IMAGE[..., :8, 4 * index :][..., :8] + 1)
    shutil.copy2(kept, path)
    again = IndexedPatchView(patcher(), RasterField(path), cache=PatchCache(tmp_path / "cache"))
    for one in (view, again):
        np.testing.assert_array_equal(one[1].data, IMAGE[..., :8, 4:12])
