"""Objects in a bucket against moto, whatever becomes of requests on their way."""

from __future__ import annotations

import pickle

import pytest

import buckets
from bucket_faults import Fault
from geopatcher.errors import TargetError
from geopatcher.formats.buckets import Bucket


def test_what_is_put_is_there_until_it_is_removed(bucket):
    tag = bucket.put("a/b", b"one")
    assert (bucket.get("a/b"), bucket.head("a/b")[:3]) == (b"one", ("a/b", 3, tag))
    bucket.put("a/c/d", b"")
    bucket.put("ab", b"beside")
    assert sorted(entry.key for entry in bucket.entries("a")) == ["a/b", "a/c/d"]
    bucket.remove(["a/b", "never there"])
    bucket.remove([])
    assert bucket.head("a/b") is None
    with pytest.raises(FileNotFoundError):
        bucket.get("a/b")


def test_only_one_is_put_where_there_is_none(bucket):
    tag = bucket.put_new("k", b"one")
    assert tag
    assert bucket.put_new("k", b"two") is None
    assert bucket.put_new("k", b"one") == tag, "the same bytes are as good"
    assert bucket.get("k") == b"one"


def test_one_that_was_seen_is_swapped_once(bucket):
    first = bucket.put("k", b"one")
    second = bucket.swap("k", b"two", first)
    assert bucket.swap("k", b"three", first) is None
    assert bucket.swap("k", b"two", first) == second, "that was the answer that was lost"
    assert bucket.get("k") == b"two"
    assert bucket.swap("none", b"x", first) is None


@pytest.mark.parametrize("kind", [503, 500, "reset", "lost"])
@pytest.mark.parametrize("how", ["put", "put_new", "swap", "get"])
def test_what_passes_is_tried_again(bucket, server, how, kind):
    tag = bucket.put("k", b"old")
    if how == "put_new":
        bucket.remove(["k"])
    server.faults.append(Fault("GET" if how == "get" else "PUT", "/k", kind))
    if how == "get":
        assert bucket.get("k") == b"old"
    else:
        further = (tag,) if how == "swap" else ()
        assert getattr(bucket, how)("k", b"new", *further) == bucket.head("k").e_tag
        assert bucket.get("k") == b"new"
    assert server.faults[0].count == 0


def test_what_does_not_pass_is_an_error_by_name(bucket, server):
    server.faults.append(Fault("PUT", "/k", 403, 99))
    with pytest.raises(TargetError, match=r"cannot write s3://bucket/k: not authorised") as caught:
        bucket.put_new("k", b"x")
    assert buckets.SECRET not in str(caught.value)
    with pytest.raises(TargetError, match="cannot list s3://nobody/a: there is no such bucket"):
        list(Bucket("s3://nobody").entries("a"))


def test_it_travels_as_its_address(bucket):
    bucket.put("k", b"x")
    sent = pickle.dumps(bucket)
    assert buckets.SECRET.encode() not in sent
    assert buckets.KEY.encode() not in sent
    assert pickle.loads(sent).get("k") == b"x"  # noqa: S301 - our own


def test_parts_become_one_object_and_come_back_in_pieces(bucket, server):
    part = 5 << 20
    content = bytes(range(256)) * (part // 256) + b"and a rest"
    tag = bucket.send("k", [content[:part], content[part:]], part, 4)
    entry = bucket.head("k")
    assert (entry.n_bytes, entry.e_tag) == (len(content), tag)
    pieces = list(bucket.pieces("k", entry.n_bytes, 1 << 20))
    assert [len(piece) for piece in pieces] == [1 << 20] * 5 + [10]
    assert b"".join(pieces) == content
    with pytest.raises(FileNotFoundError):
        list(bucket.pieces("none", 10, 5))


def test_parts_that_end_early_become_nothing(bucket, server):
    def parts():
        yield bytes(5 << 20)
        raise RuntimeError("it ends here")

    with pytest.raises(RuntimeError, match="it ends here"):
        bucket.send("k", parts(), 5 << 20, 4)
    assert bucket.head("k") is None
    assert "DELETE" in [method for method, path, _ in server.log if "uploadId" in path]
