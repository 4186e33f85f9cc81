"""The files chunks lie in, as zarr lays them out."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.targets.chunk_files import files_of, sync_files, sync_tree
from geopatcher.targets.zarr_store import ZarrSink, create_store

SPEC = ResultSpec(RasterDomain((3, 70, 50), dtype=np.dtype("uint8")), (16, 16), 0)


def there(sink):
    return {path for path in (sink.path / "data" / "c").rglob("*") if path.is_file()}


@pytest.fixture(scope="module", params=[(3, 70, 50), (70, 50), (1, 5, 400)])
def made(request, tmp_path_factory):
    def make(shards=None):
        folder = tmp_path_factory.mktemp("store") / "s.zarr"
        domain = dataclasses.replace(SPEC.domain, shape=request.param)
        create_store(folder, dataclasses.replace(SPEC, domain=domain, shards=shards))
        return ZarrSink(folder)

    return make


@pytest.mark.parametrize("shards", [None, (32, 32)])
def test_files_of_a_box_are_those_zarr_writes_for_it(made, shards):
    sink = made(shards)
    array = sink.arrays["data"]
    whole = Box.of_shape(array.shape[-2:])
    block = shards or (16, 16)
    for box in whole.tiles((block[0], whole.width)):
        before = there(sink)
        bands = array.shape[0] if array.ndim == 3 else 1
        sink.write([(box, {"data": np.ones((bands, *box.shape), np.uint8)})])
        assert set(files_of(sink.path / "data", array, box)) == there(sink) - before
        sink.sync(box)


@pytest.mark.parametrize("shards", [None, (32, 32)])
@settings(max_examples=10)
@given(data=st.data())
def test_sweeping_leaves_the_blocks_that_are_kept(made, shards, data):
    sink = made(shards)
    array = sink.arrays["data"]
    whole = Box.of_shape(array.shape[-2:])
    zarr.open_group(sink.path, mode="r+")["data"][...] = 1
    blocks = list(whole.tiles(shards or (16, 16)))
    kept = data.draw(st.sets(st.sampled_from(blocks)))
    litter = sink.path / "data" / "c" / "0.0a1b.partial"
    litter.write_bytes(b"x")
    metadata = set(sink.path.rglob("zarr.json"))
    sink.sweep(lambda box: box in kept)
    wanted = np.zeros(whole.shape, bool)
    for box in kept:
        wanted[box.slices()] = True
    assert np.array_equal(np.broadcast_to(wanted, array.shape), array[...] == 1)
    assert not litter.exists()
    assert set(sink.path.rglob("zarr.json")) == metadata
    assert there(sink) == {file for box in kept for file in files_of(sink.path / "data", array, box)}


def test_a_block_of_fill_only_has_no_file_and_is_synced_all_the_same(made):
    sink = made()
    box = Box(0, 5, 0, 16)
    bands = sink.arrays["data"].shape[0] if sink.arrays["data"].ndim == 3 else 1
    sink.write([(box, {"data": np.zeros((bands, *box.shape), np.uint8)})])
    assert there(sink) == set()
    sink.sync(box)


@pytest.fixture
def synced(monkeypatch):
    """Collect what is synced, in turn."""
    found, fsync = [], os.fsync

    def watched(descriptor):
        found.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="tells what a descriptor is by /proc")
class TestSyncing:
    def test_a_tree_is_synced_once_each_and_folders_after_files(self, tmp_path, synced):
        tree = tmp_path / "tree"
        (tree / "a" / "b").mkdir(parents=True)
        (tree / "empty").mkdir()
        files = [tree / "f", tree / "a" / "f", tree / "a" / "b" / "f"]
        for file in files:
            file.write_text("x")
        sync_tree(tree)
        folders = [tmp_path, tree, tree / "a", tree / "a" / "b", tree / "empty"]
        assert sorted(synced[:3]) == sorted(map(str, files))
        assert sorted(synced[3:]) == sorted(map(str, folders))

    def test_what_is_not_there_is_passed_over_with_its_folders(self, tmp_path, synced):
        (tmp_path / "here").write_text("x")
        sync_files([tmp_path / "here", tmp_path / "gone" / "file"], tmp_path)
        assert synced == [str(tmp_path / "here"), str(tmp_path)]

    def test_a_file_alone_and_the_folder_that_names_it(self, tmp_path, synced):
        (tmp_path / "here").write_text("x")
        sync_tree(tmp_path / "here")
        assert synced == [str(tmp_path / "here"), str(tmp_path)]
