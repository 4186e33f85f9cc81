"""Files by their keys, in a folder and in a bucket alike."""

from __future__ import annotations

import zlib

import pytest

from geopatcher.targets.bucket.files import BucketFiles
from geopatcher.targets.digests import NO_FILE, FileRecord, Finding
from geopatcher.targets.files import FolderFiles


@pytest.fixture(params=["folder", "bucket"])
def files(request, tmp_path):
    if request.param == "folder":
        return FolderFiles(tmp_path)
    return BucketFiles(request.getfixturevalue("bucket"), "some/x.zarr")


def test_what_is_put_is_read_until_it_is_removed(files):
    record = files.put("data/c/0/1", b"one")
    assert record[:2] == (3, zlib.crc32(b"one"))
    assert files.read("data/c/0/1") == files.below("data").below("c").read("0/1") == b"one"
    assert files.record("data/c/0/1") == record
    files.below("data").put("c/1/1", memoryview(b"three"))
    assert sorted(files.keys()) == ["data/c/0/1", "data/c/1/1"]
    assert sorted(files.below("data").keys()) == ["c/0/1", "c/1/1"]
    assert (files.size("data/c/1/1"), files.size("data/c/9/9"), files.size("data")) == (5, 0, 0)
    files.sync(["data/c/0/1", "data/c/9/9"])
    files.remove("data/c/0/1")
    files.remove("data/c/0/1")
    assert list(files.keys()) == ["data/c/1/1"]
    assert files.record("data/c/0/1") == NO_FILE
    with pytest.raises(FileNotFoundError):
        files.read("data/c/0/1")


def test_what_is_there_already_is_replaced(files):
    files.put("k", b"old")
    record = files.put("k", b"new!")
    assert files.read("k") == b"new!"
    assert files.record("k") == record


@pytest.mark.parametrize("reads", ["none", "touched", "all"])
def test_damage_is_found(files, reads):
    record = files.put("k", b"0123")
    assert files.look_at("k", record, reads) == Finding()
    assert files.look_at("none", NO_FILE, reads) == Finding()
    assert "is missing" in files.look_at("none", record, reads).wrong
    assert "should not be there" in files.look_at("k", NO_FILE, reads).wrong
    assert "has 4 bytes, and had 5" in files.look_at("k", record._replace(n_bytes=5), reads).wrong
    files.put("k", b"3210")
    found = files.look_at("k", record, reads)
    assert found == (
        Finding(touched=True) if reads == "none" else Finding("holds other bytes than were written")
    )


def test_of_another_time_or_etag_the_bytes_are_read(files):
    record = files.put("k", b"0123")
    assert files.look_at("k", FileRecord(4, record.crc, record.mtime_ns + 1)) == Finding(touched=True)


def test_a_folder_that_is_gone_is_never_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        FolderFiles(tmp_path / "gone").put("data/c/0", b"x")
    assert list(tmp_path.iterdir()) == []
