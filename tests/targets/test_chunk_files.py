"""The files chunks lie in, as zarr lays them out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.targets.chunk_files import files_of
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
