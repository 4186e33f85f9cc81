from __future__ import annotations

import io
import os
import pickle
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

import geopatcher as gp
from counting import Counted, equal, files, image, patcher
from geopatcher import (
    PatchCache,
    RasterField,
)
from geopatcher.api.cache_entries import Stored, Wanted
from geopatcher.api.patch_cache import STALE_S
from geopatcher.core.box import Box


def test_masks_of_the_source_come_back(tmp_path):
    cache = PatchCache(tmp_path)
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    cache.write(tmp_path / "a" / "x.npy", Stored(pixels, pixels > 3))
    cache.write(tmp_path / "a" / "y.npy", Stored(pixels, None))
    wanted = Wanted((1, 3, 4), pixels.dtype)
    found = cache.read(tmp_path / "a" / "x.npy", wanted)
    plain = cache.read(tmp_path / "a" / "y.npy", wanted)
    np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(found.valid, pixels > 3)
    assert plain.valid is None
    np.testing.assert_array_equal(np.load(tmp_path / "a" / "x.npy"), pixels)  # a file for others, too


# --- which entries are whose ---------------------------------------------------------------------


def test_other_fields_versions_and_fillings_have_other_entries(tmp_path):
    cache = PatchCache(tmp_path)
    first = Counted(np.zeros((1, 9, 9), np.float32))
    others = [
        (patcher(), Counted(np.ones((1, 9, 9), np.float32), version=2)),
        (patcher(), Counted(np.full((1, 9, 9), 2, np.float32), name="other")),
        (patcher(boundary="reflect"), Counted(np.arange(81, dtype=np.float32).reshape(1, 9, 9))),
        (patcher(boundary="pad"), Counted(np.arange(81, dtype=np.float32).reshape(1, 9, 9))),
        (patcher(), Counted(np.full((1, 9, 9), 3, np.float64))),
    ]
    list(patcher().split(first, cache=cache))
    for made, source in others:
        assert equal(made.split(source, cache=cache), made.split(source))
    assert cache.hits == 0


def test_arrays_are_told_apart_by_every_pixel(tmp_path):
    cache = PatchCache(tmp_path)
    data = np.zeros((300, 300))
    list(patcher(100, 100).split(data, cache=cache))
    data[123, 77] = 1  # not among the few that a sample would see
    assert equal(patcher(100, 100).split(data, cache=cache), patcher(100, 100).split(data))
    assert cache.hits == 0


def test_nodata_is_part_of_what_an_array_is(tmp_path):
    cache = PatchCache(tmp_path)
    data = np.zeros((20, 20), np.uint8)
    for nodata in (None, 0):
        source = RasterField.from_array(data, nodata=nodata)
        assert equal(patcher().split(source, cache=cache), patcher().split(source))
    assert cache.hits == 0


def test_a_field_id_stands_for_the_field(tmp_path):
    data = np.zeros((20, 20))
    list(patcher().split(data, cache=PatchCache(tmp_path, field_id="mine")))
    cache = PatchCache(tmp_path, field_id="mine")
    list(patcher().split(data + 1, cache=cache))
    assert cache.misses == 0
    other = PatchCache(tmp_path, field_id="another")
    list(patcher().split(data, cache=other))
    assert other.hits == 0


def test_a_file_that_changes_is_read_again(tmp_path):
    path, cache = tmp_path / "scene.tif", PatchCache(tmp_path / "cache")
    for value in (1, 2):
        transform = Affine(10, 0, 0, 0, -10, 0)
        with rasterio.open(
            path, "w", driver="GTiff", height=20, width=30, count=1, dtype="uint8", transform=transform
        ) as dataset:
            dataset.write(np.full((1, 20, 30), value, np.uint8))
        os.utime(path, ns=(value * 10**9, value * 10**9))
        assert all((patch.data == value).all() for patch in patcher().split(path, cache=cache))
    assert cache.hits == 0
    assert all((patch.data == 2).all() for patch in patcher().split(str(path), cache=cache))
    assert cache.misses == 2 * cache.hits


# --- damage and limits ---------------------------------------------------------------------------


def test_a_damaged_entry_is_gone_once_it_was_asked_for(tmp_path):
    cache, path = PatchCache(tmp_path), tmp_path / "f" / "x.npy"
    cache.write(path, Stored(np.zeros((1, 2, 2)), None))
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.read(path, Wanted((1, 2, 2), np.dtype(float))) is None
    assert not path.exists()


@pytest.mark.parametrize("damage", ["cut off", "a flipped bit", "emptied", "something else"])
def test_damaged_entries_are_dropped_and_read_again(tmp_path, damage):
    source, cache = Counted(image()), PatchCache(tmp_path)
    expected = list(patcher().split(source, cache=cache))
    for path in files(cache)[::5]:
        raw = bytearray(path.read_bytes())
        if damage == "a flipped bit":
            raw[len(raw) // 2] ^= 4
        path.write_bytes(
            {"cut off": raw[:-9], "emptied": b"", "something else": b"not an array"}.get(damage, raw)
        )
    n_damaged = len(files(cache)[::5])
    again = PatchCache(tmp_path)
    assert equal(patcher().split(source, cache=again), expected)
    assert again.misses == n_damaged
    last = PatchCache(tmp_path)
    assert equal(patcher().split(source, cache=last), expected)
    assert last.misses == 0


def entry(*arrays):
    """Return the bytes of an entry that looks whole."""
    buffer = io.BytesIO()
    for array in arrays:
        np.save(buffer, array)
    return checked(buffer.getvalue())


def checked(raw):
    return raw + zlib.crc32(raw).to_bytes(4, "little")


def header(shape, descr="<f8"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": shape, "fortran_order": False, "descr": descr})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        entry(np.zeros((1, 3, 3))),
        entry(np.zeros((1, 8, 8), "int64")),
        entry(np.zeros((8, 8))),
        entry(np.zeros((1, 8, 8)), np.zeros((1, 8, 8))),
        entry(np.zeros((1, 8, 8)), np.zeros((1, 8, 9), bool)),
        entry(np.array([None, {}], dtype=object)),
        checked(header((10**12,))),
        checked(header((10**18, 10**18))),
        checked(header((-1, 8, 8))),
        checked(header((0, 10**18))),
        checked(header((1, 8, 8), "O")),
        checked(header((1, 8, 8), "V100000000")),
        checked(entry(np.zeros((1, 8, 8)))[:-4] + b"x" * (1 << 20)),
        checked(b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535),
        checked(b"\x93NUMPY\x09\x00" + b"x" * 100),
    ],
)
def test_hostile_entries_are_no_entries(tmp_path, raw):
    source, cache = image(), PatchCache(tmp_path)
    expected = list(patcher().split(source, cache=cache))
    for path in files(cache):
        path.write_bytes(raw)
    again = PatchCache(tmp_path)
    tracemalloc.start()
    try:
        assert equal(patcher().split(source, cache=again), expected)
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()
    assert (again.hits, again.misses) == (0, len(expected))


def test_the_least_recently_used_go_first(tmp_path):
    pixels = np.zeros((1, 10, 10))
    one = 800 + 128 + 4
    cache = PatchCache(tmp_path, max_bytes=10 * one)
    paths = [tmp_path / "f" / f"{index}.npy" for index in range(11)]
    for index, path in enumerate(paths[:10]):
        cache.write(path, Stored(pixels, None))
        os.utime(path, ns=(index + 1, index + 1))
    cache.read(paths[0], Wanted((1, 10, 10), pixels.dtype))  # used just now
    cache.write(paths[10], Stored(pixels, None))
    left = {path.name for path in files(cache)}
    assert left == {f"{index}.npy" for index in (0, 3, 4, 5, 6, 7, 8, 9, 10)}
    assert cache.n_bytes <= 10 * one


def test_many_patches_stay_within_the_limit(tmp_path):
    source = Counted(image(200))
    cache = PatchCache(tmp_path, max_bytes=20_000)
    expected = list(patcher().split(source))
    for _ in range(2):
        assert equal(patcher().split(source, cache=cache), expected)
        assert 10_000 < cache.n_bytes <= 20_000


def test_two_owners_of_a_folder_keep_the_limit_together(tmp_path):
    limit = 200 * (800 + 128 + 4)
    owners = [PatchCache(tmp_path, max_bytes=limit) for _ in range(2)]
    for index in range(400):
        owners[index % 2].write(tmp_path / "f" / f"{index}.npy", Stored(np.zeros((1, 10, 10)), None))
        if index % 50 == 49:
            assert owners[0].n_bytes <= limit * 1.1


def test_an_entry_larger_than_the_limit_is_not_kept(tmp_path):
    cache = PatchCache(tmp_path, max_bytes=100)
    list(patcher().split(image(), cache=cache))
    assert cache.n_bytes == 0


def test_clearing_removes_everything(tmp_path):
    cache = PatchCache(tmp_path, max_bytes="1MB")
    list(patcher().split(image(), cache=cache))
    assert cache.n_bytes > 0
    cache.clear()
    assert (cache.n_bytes, files(cache)) == (0, [])


def test_what_a_killed_writer_left_is_removed_in_time(tmp_path):
    cache = PatchCache(tmp_path)
    (tmp_path / "f").mkdir()
    old, new = tmp_path / "f" / "a.npy.1-2.tmp", tmp_path / "f" / "b.npy.1-2.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - STALE_S - 10))
    assert cache.n_bytes == 0
    assert (old.exists(), new.exists()) == (False, True)


def test_a_folder_that_cannot_be_written_makes_a_warning(tmp_path):
    source, cache = Counted(image()), PatchCache(tmp_path / "cache")
    folder = cache.folder_of(source, patcher().plan(source))
    folder.write_text("a file in the way")
    with pytest.warns(RuntimeWarning, match=r"nothing more is kept in the patch cache .*cache") as warned:
        assert equal(patcher().split(source, cache=cache), patcher().split(source))
    assert len(warned) == 1


def test_sizes_that_are_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is not a size in bytes"):
        PatchCache(tmp_path, max_bytes="plenty")
    with pytest.raises(ValueError, match="must be positive"):
        PatchCache(tmp_path, max_bytes=0)


# --- with the rest of split ----------------------------------------------------------------------


def test_patches_that_cannot_be_read_are_not_kept(tmp_path):
    source = Counted(image(), broken=Box(10, 11, 3, 4))
    cache = PatchCache(tmp_path)
    skipping = patcher(on_error="skip")
    found = list(skipping.split(source, cache=cache))
    again = patcher(on_error="skip")
    assert equal(found, again.split(source))
    assert [record.anchor for record in skipping.errors] == [record.anchor for record in again.errors]
    source.broken = None
    assert equal(patcher().split(source, cache=cache), patcher().split(source))


def test_hooks_and_merging_do_not_notice(tmp_path):
    class Count:
        patches = 0

        def on_patch_done(self, anchor, seconds, nbytes):
            self.patches += 1

    source, cache, count = Counted(image()), PatchCache(tmp_path), Count()
    for _ in range(2):
        merged = patcher().merge(patcher().split(source, count, cache=cache), source.domain)
        np.testing.assert_allclose(merged, source.array, rtol=1e-6)
    assert count.patches == 2 * patcher().n_anchors(source)


def split_all(cache, data):
    return [patch.data for patch in patcher().split(data, cache=cache)]


def test_threads_and_other_owners_share_a_folder(tmp_path):
    data = image()
    cache = PatchCache(tmp_path, max_bytes=30_000)
    expected = [patch.data for patch in patcher().split(data)]
    others = [pickle.loads(pickle.dumps(cache)) for _ in range(2)]  # noqa: S301
    with ThreadPoolExecutor(4) as threads:
        found = [
            f.result() for f in [threads.submit(split_all, one, data) for one in [cache, cache, *others]]
        ]
    assert all(np.array_equal(one, expected) for one in found)
    assert cache.n_bytes <= 30_000 * 1.3


def test_a_cache_pickles(tmp_path):
    cache = pickle.loads(pickle.dumps(PatchCache(tmp_path, max_bytes=1000, field_id="x")))  # noqa: S301
    assert (cache.root, cache.max_bytes, cache.field_id) == (tmp_path, 1000, "x")


# --- patches by words of one's own ------------------------------------------------------------------


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weights", [None, np.full((3, 4), 0.25)])
def test_what_a_patch_carries_comes_back(tmp_path, masked, weights):
    cache = PatchCache(tmp_path)
    data = np.arange(12, dtype=np.int16).reshape(3, 4)
    data = np.ma.masked_greater(data, 9) if masked else data
    assert cache.get("a", "b", (0, 4)) is None
    cache.put("a", "b", (0, 4), gp.Patch(data, (0, 4), None, weights))
    assert cache.get("a", "b", (4, 0)) is cache.get("b", "a", (0, 4)) is None
    window = Window(4, 0, 4, 3)
    built = cache.build_patch(cache.get("a", "b", (0, 4)), (0, 4), window)
    assert (built.anchor, built.indices) == ((0, 4), window)
    np.testing.assert_array_equal(np.ma.getdata(built.data), np.ma.getdata(data))
    np.testing.assert_array_equal(np.ma.getmaskarray(built.data), np.ma.getmaskarray(data))
    assert isinstance(built.data, np.ma.MaskedArray) == masked
    if weights is None:
        assert built.weights is None
    else:
        np.testing.assert_array_equal(built.weights, weights)
    assert (cache.stats()["hits"], cache.stats()["misses"], cache.stats()["entries"]) == (1, 3, 1)
    cache.clear()
    assert cache.stats()["entries"] == cache.stats()["bytes"] == 0


def test_fields_and_tapers_are_told_apart(tmp_path):
    cache = PatchCache(tmp_path)
    one, other = np.zeros((20, 30)), np.zeros((20, 30))
    assert cache.field_id_for(one) == cache.field_id_for(one.copy())
    other[19, 29] = 1
    assert cache.field_id_for(one) != cache.field_id_for(other)
    assert PatchCache(tmp_path, field_id="mine").field_id_for(other) == "mine"
    size = gp.SpatialRectangular(8)
    ids = {
        cache.config_id_for(size, gp.SpatialHann()),
        cache.config_id_for(size, gp.SpatialBoxcar()),
        cache.config_id_for(gp.SpatialRectangular(8, boundary="drop"), gp.SpatialHann()),
        cache.config_id_for(size, gp.SpatialCustom(lambda geometry: np.ones(geometry.size) * 2)),
        cache.config_id_for(size, gp.SpatialCustom(lambda geometry: np.ones(geometry.size) * 3)),
    }
    assert len(ids) == 5
    assert cache.config_id_for(size, gp.SpatialHann()) == cache.config_id_for(size, gp.SpatialHann())


def test_one_patch_is_kept_and_found_where_split_keeps_it(tmp_path):
    source, cache = Counted(image()), PatchCache(tmp_path)
    plain = patcher().patch_at(image(), (4, 8))
    first = patcher().patch_at(source, (4, 8), cache=cache)
    assert cache.stats()["entries"] == 1
    again = patcher().patch_at(source, (4, 8), cache=cache)
    for patch in (first, again):
        np.testing.assert_array_equal(patch.data, plain.data)
        np.testing.assert_array_equal(patch.weights, plain.weights)
    assert cache.hits == 1


def test_fractions_of_pixels_are_no_anchor(tmp_path):
    cache = gp.PatchCache(tmp_path)
    patch = gp.Patch(np.zeros((2, 2)), (0, 1), None)
    with pytest.raises(TypeError, match="in whole pixels, not"):
        cache.put("field", "config", (0.7, 1), patch)
    with pytest.raises(TypeError, match="in whole pixels, not"):
        cache.get("field", "config", (0.7, 1))
