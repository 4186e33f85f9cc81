"""The documents of a store in a bucket, and who may put its blocks."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import zarr

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.errors import TargetError
from geopatcher.targets.bucket.store import BucketBlocks, BucketPlace, BucketSink, contents_of
from geopatcher.targets.digests import files_in
from geopatcher.targets.places import BucketUrl
from geopatcher.targets.zarr_store import create_store

SPEC = ResultSpec(RasterDomain((2, 20, 30), dtype=np.dtype("int16")), (16, 16), 7)
CELLS = np.arange(2 * 16 * 30, dtype="int16").reshape(2, 16, 30)


@pytest.fixture
def place(bucket):
    made = BucketPlace(BucketUrl("s3://bucket/x.zarr"))
    bucket.put("x.zarr.lock", b'{"run": "mine"}')
    return made


def test_documents_are_those_of_a_folder(tmp_path):
    create_store(tmp_path / "x.zarr", SPEC)
    folder = tmp_path / "x.zarr"
    here = {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }
    assert contents_of(SPEC) == here


def test_blocks_of_a_store_that_is_none_yet_are_put_and_read_back(place):
    sink = pickle.loads(pickle.dumps(BucketSink(place, SPEC, "x.zarr.lock", "mine")))  # noqa: S301 - our own
    sink.write([(Box(0, 16, 0, 30), {"data": CELLS})])
    known = sink.take(Box(0, 16, 0, 30))["data"]
    assert known.shape == (2, 1, 2, 3 + 5)  # with moments
    assert files_in(sink.read_records(Box(0, 16, 0, 30))["data"]) == files_in(known)
    np.testing.assert_array_equal(sink.arrays["data"][:, :16], CELLS)
    assert (np.asarray(sink.arrays["data"][:, 16:]) == 7).all()
    keys = [entry.key for entry in place.bucket.entries("x.zarr")]
    assert sorted(keys) == [f"x.zarr/data/c/{band}/0/{col}" for band in (0, 1) for col in (0, 1)]
    assert sink.sweep(lambda box: box.col0 == 0) == 2
    with pytest.raises(TargetError, match="cannot open s3://bucket/x.zarr"):
        BucketBlocks.stored(place, SPEC)


@pytest.mark.parametrize("lease", [b'{"run": "another"}', None])
def test_who_has_no_lease_any_more_puts_nothing(place, lease):
    sink = BucketSink(place, SPEC, "x.zarr.lock", "mine")
    place.bucket.remove(["x.zarr.lock"])
    if lease is not None:
        place.bucket.put("x.zarr.lock", lease)
    with pytest.raises(TargetError, match="the run this was for has ended or was taken over"):
        sink.write([(Box(0, 16, 0, 30), {"data": CELLS})])
    assert list(place.bucket.entries("x.zarr")) == []


def test_a_finished_store_of_another_shape_is_not_taken(place):
    for key, content in contents_of(SPEC).items():
        place.files.put(key, content)
    assert set(BucketBlocks.stored(place, SPEC).arrays) == {"data"}
    other = ResultSpec(RasterDomain((2, 20, 31), dtype=np.dtype("int16")), (16, 16), 7)
    with pytest.raises(TargetError, match="it was replaced"):
        BucketBlocks.stored(place, other)
    assert zarr.open_group(place.reader(), path="x.zarr", mode="r")["data"].shape == (2, 20, 30)
