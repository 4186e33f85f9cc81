"""Objects below a prefix: what only a bucket has. The rest is in ``tests/targets/test_files.py``."""

from __future__ import annotations

import pickle

import pytest

from geopatcher.targets.bucket.files import BucketFiles, stamp_of


@pytest.fixture
def files(server, bucket):
    return BucketFiles(bucket, "x.zarr"), server


def test_thousands_of_looks_ask_once(files):
    made, server = files
    known = {f"data/c/{number}": made.put(f"data/c/{number}", b"%d" % number) for number in range(12)}
    server.log.clear()
    assert not any(made.below("data").look_at(key[5:], record).wrong for key, record in known.items())
    assert len(server.log) == 1
    made.remove("data/c/3")
    assert made.look_at("data/c/3", known["data/c/3"]).wrong == "is missing"


def test_an_object_with_the_same_bytes_stays_and_another_is_replaced(files):
    made, server = files
    first = made.put("k", b"bytes")
    server.log.clear()
    assert made.put("k", b"bytes") == first
    assert [method for method, *_ in server.log] == ["PUT", "HEAD", "GET"]
    made.bucket.put("x.zarr/k", b"of an orphan")
    assert made.put("k", b"bytes") == first
    assert made.read("k") == b"bytes"


def test_it_travels_without_what_it_knows(files):
    made, _ = files
    made.put("k", b"bytes")
    again = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own
    assert again == made
    assert again.read("k") == b"bytes"


def test_stamps_fit_where_times_are():
    assert 0 < stamp_of('"d41d8cd98f00b204e9800998ecf8427e"') < 2**62
    assert stamp_of("") == 0
