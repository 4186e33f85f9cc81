"""Views of patches of files: read by threads and workers, opened once, and told by what the file is."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.env import get_gdal_config

from geopatcher import (
    IndexedPatchView,
    PatchCache,
    RasterField,
    stack_patches,
)
from geopatcher.formats.gdal_environment import environment
from geotiffs import write_geotiff
from views import IMAGE, patcher, same


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
