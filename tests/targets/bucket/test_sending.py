"""A file on its way into a bucket; whole runs are in ``tests/whole/test_cogs_in_buckets.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bucket_faults import Fault
from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.formats.buckets import Bucket
from geopatcher.targets.bucket import sending
from geopatcher.targets.bucket.files import stamp_of
from geopatcher.targets.bucket.sending import Sending, e_tag_of, look_there, record_there
from geopatcher.targets.digests import tiff_record_of
from geopatcher.targets.places import BucketUrl

URL = BucketUrl("s3://bucket/x.tif")
PART = 5 << 20


@pytest.fixture(autouse=True)
def _small_parts_and_short_pauses(monkeypatch):
    monkeypatch.setattr(sending, "PART_BYTES", PART)
    monkeypatch.setattr(sending, "PAUSE_S", 0.01)


@pytest.fixture(params=[0, 1000, PART, 2 * PART + 77])
def file(request, tmp_path):
    made = tmp_path / "x.tif"
    made.write_bytes(os.urandom(request.param))
    return made


def ours():
    """Say nothing: the lease is held."""


def sent(bucket, file, *, replace=False, require_ours=ours):
    Sending(bucket, URL, file, require_ours, replace).send()


def known_of(file):
    return tiff_record_of(file)._replace(mtime_ns=stamp_of(e_tag_of(file)))


def test_what_is_there_is_the_file_and_its_etag_is_known_before(bucket, file):
    sent(bucket, file)
    entry = bucket.head("x.tif")
    assert bucket.get("x.tif") == file.read_bytes()
    assert entry.e_tag == e_tag_of(file)
    assert record_there(bucket, "x.tif", entry, 1 << 20) == known_of(file)
    for reads in ("none", "touched", "all"):
        assert look_there(bucket, "x.tif", known_of(file), reads) == ("", False)


def test_it_is_not_sent_twice_and_not_read_where_the_etag_says_all(bucket, server, file):
    sent(bucket, file)
    server.log.clear()
    sent(bucket, file)
    assert {method for method, *_ in server.log} == {"HEAD"}


def test_other_bytes_of_the_same_size_are_told(bucket, tmp_path):
    file = tmp_path / "x.tif"
    file.write_bytes(os.urandom(3 << 20))
    changed = bytearray(file.read_bytes())
    changed[2 << 20] ^= 1
    bucket.put("x.tif", bytes(changed))
    found = look_there(bucket, "x.tif", known_of(file))
    assert found.wrong == "holds other bytes than were written, in bytes 2,097,152 to 3,145,728"
    assert (
        look_there(bucket, "x.tif", known_of(file)._replace(n_bytes=7)).wrong
        == "has 3,145,728 bytes, and had 7"
    )
    assert look_there(bucket, "y.tif", known_of(file)).wrong == "is missing"


def test_an_etag_that_says_nothing_has_the_file_read(bucket, server, file):
    sent(bucket, file)
    server.log.clear()
    found = look_there(bucket, "x.tif", known_of(file)._replace(mtime_ns=5))
    assert found == ("", True)
    reads = [method for method, *_ in server.log if method == "GET"]
    assert len(reads) == -(-file.stat().st_size // PART)


def test_what_another_one_puts_before_it_is_complete_is_not_replaced(bucket, server, file):
    def late():
        bucket.put("x.tif", b"mine")

    with pytest.raises(TargetExistsError, match="was not there when the run began, and is now"):
        sent(bucket, file, require_ours=late)
    assert bucket.get("x.tif") == b"mine"
    sent(bucket, file, replace=True)
    assert bucket.get("x.tif") == file.read_bytes()


def test_who_loses_the_target_while_it_is_sent_aborts_it(bucket, server, tmp_path):
    file = tmp_path / "x.tif"
    file.write_bytes(bytes(2 * PART))
    calls = []

    def lost_later():
        calls.append(1)
        if len(calls) > 1:
            raise TargetError("another run has taken over")

    with pytest.raises(TargetError, match="another run has taken over"):
        sent(bucket, file, require_ours=lost_later)
    assert bucket.head("x.tif") is None
    begun = [path for method, path, _ in server.log if method == "POST" and path.endswith("?uploads=")]
    ended = {path for method, path, _ in server.log if method == "DELETE"}
    assert len(begun) == len(ended) == 1


def test_what_came_otherwise_is_removed_and_told(bucket, file, monkeypatch):
    monkeypatch.setattr(Bucket, "send", lambda self, key, parts, *_: self.put(key, b"else" + b"".join(parts)))
    if file.stat().st_size <= PART:
        monkeypatch.setattr(Bucket, "put_new", lambda self, key, content: self.put(key, b"else" + content))
    with pytest.raises(TargetError, match=r"x\.tif has .* bytes, and had .*: it was removed"):
        sent(bucket, file)
    assert bucket.head("x.tif") is None


def test_parts_grow_so_that_there_are_never_too_many(monkeypatch):
    monkeypatch.undo()
    for n_bytes in (1, 80 << 30, 500 << 30, 5 << 40):
        part = sending.part_bytes_of(n_bytes)
        assert part >= sending.PART_BYTES
        assert -(-n_bytes // part) <= sending.MAX_PARTS


def test_memory_is_that_of_a_few_parts(bucket, tmp_path):
    file = tmp_path / "x.tif"
    with file.open("wb") as opened:
        opened.truncate(400 << 20)
    code = (
        "import resource, sys, pathlib\n"
        "from geopatcher.formats.buckets import Bucket\n"
        "from geopatcher.targets.bucket.sending import Sending\n"
        "from geopatcher.targets.places import BucketUrl\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "bucket = Bucket('s3://bucket')\n"
        "bucket.head('x.tif')\n"
        "before = peak()\n"
        "sending = Sending(bucket, BucketUrl('s3://bucket/x.tif'), pathlib.Path(sys.argv[1]), int, False)\n"
        "sending.send()\n"
        "print(peak() - before)\n"
    )
    paths = os.pathsep.join([str(Path(sending.__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    told = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(told.stdout) < 100, "MiB"


def test_a_store_that_says_no_is_asked_a_few_times(bucket, server, file):
    server.faults.append(Fault("PUT", r"/x\.tif", 403, 10**6))
    server.faults.append(Fault("POST", r"/x\.tif", 403, 10**6))
    with pytest.raises(
        TargetError, match=r"cannot write s3://bucket/x\.tif: .*not authorised.*what was made is kept"
    ):
        sent(bucket, file)
    server.faults.clear()
    assert bucket.head("x.tif") is None
