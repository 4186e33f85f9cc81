"""What is known of a file, and whether it still is so."""

from __future__ import annotations

import os
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubling import names
from geopatcher.targets.digests import (
    NO_FILE,
    FileRecord,
    Finding,
    TiffRecord,
    files_in,
    joined,
    look_at,
    look_at_tiff,
    put_bytes,
    record_of,
    spans_of_damage,
    tiff_record_of,
)


@pytest.mark.parametrize(
    "content", [b"x", bytes(range(256)) * 9000, memoryview(np.arange(12.0).reshape(3, 4))]
)
def test_what_is_written_is_what_is_read(tmp_path, content):
    known = put_bytes(tmp_path / "f", content)
    held = (tmp_path / "f").read_bytes()
    assert held == bytes(content)
    assert known == record_of(tmp_path / "f")
    assert known == (len(held), zlib.crc32(held), (tmp_path / "f").stat().st_mtime_ns)
    assert names(tmp_path) == ["f"]


def test_a_folder_that_is_gone_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        put_bytes(tmp_path / "gone" / "f", b"x")
    assert names(tmp_path) == []


def damaged(file, how):
    held, status = file.read_bytes(), file.stat()
    if how == "deleted":
        file.unlink()
        return
    file.write_bytes(
        {"cut": held[:-1], "longer": held + b"x", "flipped": b"?" + held[1:], "touched": held}[how]
    )
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + (0 if how == "flipped" else 1)))


@pytest.mark.parametrize("reads", ["none", "touched", "all"])
@pytest.mark.parametrize(
    ("how", "wrong"),
    [("deleted", "is missing"), ("cut", "has 9 bytes, and had 10"), ("longer", "has 11 bytes, and had 10")],
)
def test_what_shows_without_reading(tmp_path, how, wrong, reads):
    known = put_bytes(tmp_path / "f", b"0123456789")
    tiff = tiff_record_of(tmp_path / "f", 4)
    damaged(tmp_path / "f", how)
    assert look_at(tmp_path / "f", known, reads) == Finding(wrong)
    assert look_at_tiff(tmp_path / "f", tiff, reads) == Finding(wrong)


def test_what_shows_when_it_is_read(tmp_path):
    known = put_bytes(tmp_path / "f", b"0123456789")
    tiff = tiff_record_of(tmp_path / "f", 4)
    assert look_at(tmp_path / "f", known, "all") == look_at_tiff(tmp_path / "f", tiff, "all") == Finding()
    damaged(tmp_path / "f", "touched")
    for reads in ("none", "touched", "all"):
        assert look_at(tmp_path / "f", known, reads) == Finding(touched=True)
        assert look_at_tiff(tmp_path / "f", tiff, reads) == Finding(touched=True)
    put_bytes(tmp_path / "f", b"0123456789")
    known, tiff = record_of(tmp_path / "f"), tiff_record_of(tmp_path / "f", 4)
    damaged(tmp_path / "f", "flipped")
    for reads in ("none", "touched"):
        assert look_at(tmp_path / "f", known, reads) == look_at_tiff(tmp_path / "f", tiff, reads) == Finding()
    assert look_at(tmp_path / "f", known, "all") == Finding("holds other bytes than were written")
    assert (
        look_at_tiff(tmp_path / "f", tiff, "all").wrong
        == "holds other bytes than were written, in bytes 0 to 4"
    )


def test_a_block_without_a_file(tmp_path):
    assert look_at(tmp_path / "f", NO_FILE) == Finding()
    (tmp_path / "f").write_bytes(b"")
    assert "should not be there" in look_at(tmp_path / "f", NO_FILE).wrong
    assert look_at(tmp_path / "f" / "g", FileRecord(1, 2, 3)) == Finding("is missing")


@given(st.binary(min_size=1, max_size=60), st.integers(1, 20), st.sets(st.integers(0, 59), max_size=5))
def test_spans_hold_every_byte_that_differs(tmp_path_factory, content, piece, flips):
    file = tmp_path_factory.getbasetemp() / "spans"
    file.write_bytes(content)
    known = tiff_record_of(file, piece)
    assert len(known.crcs) == -(-len(content) // piece)
    changed = bytearray(content)
    at = {flip % len(content) for flip in flips}
    for where in at:
        changed[where] ^= 1
    file.write_bytes(changed)
    spans = spans_of_damage(tiff_record_of(file, piece), known)
    held = {byte for start, stop in spans for byte in range(start, stop)}
    pieces = {where // piece for where in at}
    assert held == {byte for byte in range(len(content)) if byte // piece in pieces}
    assert all(stop < start for (_, stop), (start, _) in pairwise(spans)), "apart"


def test_a_file_that_was_cut_while_it_was_read_differs_in_all_that_is_gone():
    known = TiffRecord(30, 0, 10, (1, 2, 3))
    assert spans_of_damage(TiffRecord(10, 0, 10, (1,)), known) == [(10, 30)]


def test_rows_are_joined_one_below_the_other():
    above, below = np.zeros((2, 1, 3, 3), np.int64), np.ones((2, 2, 3, 3), np.int64)
    both = joined({"data": above}, {"data": below})["data"]
    assert both.shape == (2, 3, 3, 3)
    assert files_in(both)[:4] == [NO_FILE] * 3 + [FileRecord(1, 1, 1)]
