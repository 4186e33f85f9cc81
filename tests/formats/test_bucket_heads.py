"""What a bucket says of one object, and how long it is waited for."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

import buckets
from bucket_faults import Fault
from geopatcher.errors import SourceError
from geopatcher.formats import bucket_heads
from geopatcher.formats.bucket_heads import head
from geopatcher.formats.traffic import TRAFFIC


@pytest.mark.parametrize("key", ["a.tif", "folder/a b+ü%20.tif", "q?x#y&z.tif"])
def test_the_tag_and_the_size_of_an_object_whatever_its_name(bucket, key):
    bucket.put(key, b"123456")
    TRAFFIC.take()
    found = head("s3://bucket", key)
    assert TRAFFIC.take().requests == 1
    assert found.etag == f'"{hashlib.md5(b"123456").hexdigest()}"'  # noqa: S324 - as S3 tells it
    assert found.n_bytes == 6
    assert found.modified[:4].isdecimal()


def test_what_is_not_there(bucket):
    with pytest.raises(FileNotFoundError):
        head("s3://bucket", "none.tif")
    with pytest.raises(FileNotFoundError):
        head("s3://nobucket", "none.tif")


def test_who_is_refused_is_told_and_no_secret(bucket, server):
    bucket.put("a.tif", b"1")
    server.faults.append(Fault("HEAD", "a.tif", 403, 99))
    with pytest.raises(SourceError, match="cannot read s3://bucket/a.tif: not authorised") as caught:
        head("s3://bucket", "a.tif")
    assert buckets.SECRET not in str(caught.value)
    assert buckets.KEY not in str(caught.value)


def test_an_answer_that_is_lost_is_asked_for_again_and_a_silent_store_is_not_waited_for(
    bucket, server, monkeypatch
):
    bucket.put("a.tif", b"1")
    server.faults.append(Fault("HEAD", "a.tif", "reset"))
    assert head("s3://bucket", "a.tif").n_bytes == 1
    monkeypatch.setitem(bucket_heads.CLIENT, "timeout", timedelta(seconds=0.3))
    monkeypatch.setitem(bucket_heads.RETRIES, "max_retries", 0)
    monkeypatch.setenv("ANOTHER", "environment")  # and so another client
    server.faults.append(Fault("HEAD", "a.tif", "hangs", 99))
    with pytest.raises(SourceError, match="cannot read s3://bucket/a.tif"):
        head("s3://bucket", "a.tif")


def test_what_the_environment_says_later_is_taken(bucket, server, monkeypatch):
    bucket.put("a.tif", b"1")
    head("s3://bucket", "a.tif")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFANOTHER00")
    head("s3://bucket", "a.tif")
    signed = [headers.get("authorization", "") for method, _, headers in server.log if method == "HEAD"]
    assert f"Credential={buckets.KEY}/" in signed[-2]
    assert "Credential=AKIDOFANOTHER00/" in signed[-1]
