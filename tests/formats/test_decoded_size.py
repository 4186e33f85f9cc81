"""What encoded bytes decode to, found out without decoding them; the codecs themselves are the oracle."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc
import zlib

import numcodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.formats.decoded_size import ZSTD_BLOCK, declared_size, read_from, streamed_size, zstd_size

CODECS = {
    "zstd": numcodecs.Zstd(level=3),
    "blosc": numcodecs.Blosc(cname="zstd", shuffle=2),
    "lz4": numcodecs.LZ4(),
    "zlib": numcodecs.Zlib(),
    "gzip": numcodecs.GZip(),
    "bz2": numcodecs.BZ2(),
    "lzma": numcodecs.LZMA(),
}


def rle_frame(n_blocks, size=ZSTD_BLOCK, stated=None, *, checksum=False):
    """Return a frame of zstd whose blocks each repeat one byte: four bytes stand for 128 KiB."""
    flags = (0xC0 if stated is not None else 0) | (4 if checksum else 0)
    frame = b"\x28\xb5\x2f\xfd" + bytes([flags, 0x38])
    if stated is not None:
        frame += stated.to_bytes(8, "little")
    for number in range(n_blocks):
        frame += (size << 3 | 1 << 1 | (number == n_blocks - 1)).to_bytes(3, "little") + b"\x07"
    return frame + b"\x00" * 4 * checksum


SKIPPED = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"


def measured(name, data):
    if name in ("zstd", "blosc", "lz4"):
        return declared_size(name, read_from(data), len(data))
    return streamed_size(name, data, 1 << 40)


@settings(max_examples=40)
@given(length=st.integers(1, 300_000), noise=st.booleans(), name=st.sampled_from(sorted(CODECS)))
def test_what_codecs_write_is_measured_exactly(length, noise, name):
    cells = np.random.default_rng(length).bytes(length) if noise else bytes(length)
    assert measured(name, bytes(CODECS[name].encode(cells))) == length


@pytest.mark.parametrize(
    ("data", "least", "most"),
    [
        (rle_frame(4), 4 * ZSTD_BLOCK, 4 * ZSTD_BLOCK),
        (rle_frame(4, 100), 400, 400),
        (rle_frame(4, stated=4 * ZSTD_BLOCK), 4 * ZSTD_BLOCK, 4 * ZSTD_BLOCK),
        (rle_frame(4, 100) + rle_frame(3, 1000), 3400, 3400),
        (rle_frame(4, 100, stated=400) + rle_frame(3, 1000, stated=3000), 3400, 3400),
        (rle_frame(4, 100, stated=400) + rle_frame(3, 1000), 3400, 3400),
        (SKIPPED + rle_frame(4, 100) + SKIPPED + rle_frame(1, 5, stated=5), 405, 405),
    ],
)
def test_frames_of_zstd_in_a_row_are_added_up_as_their_decoder_does(data, least, most):
    assert len(numcodecs.Zstd().decode(data)) == least == most == zstd_size(read_from(data), len(data))


def test_compressed_blocks_without_a_stated_size_count_as_the_largest_there_are():
    whole = bytes(
        numcodecs.Zstd(level=1).encode(np.random.default_rng(0).integers(0, 4, 300_000).astype("u1"))
    )
    flags, size = whole[4], 4
    assert flags >> 6 == 2, "the size is in four bytes"
    assert flags >> 5 & 1, "and there is no window"
    hidden = whole[:4] + bytes([flags & 0x1F, 0x48]) + whole[5 + size :]
    assert len(numcodecs.Zstd().decode(hidden)) == 300_000
    assert 300_000 <= zstd_size(read_from(hidden), len(hidden)) <= 300_000 + 3 * ZSTD_BLOCK


def test_a_frame_that_states_little_and_holds_much_is_left_to_its_decoder():
    lying = rle_frame(100, stated=10)
    assert zstd_size(read_from(lying), len(lying)) == 10
    with pytest.raises(RuntimeError, match="too small"):
        numcodecs.Zstd().decode(lying)
    mixed = lying + rle_frame(1)  # which makes the decoder go on as long as there are blocks
    assert zstd_size(read_from(mixed), len(mixed)) == 101 * ZSTD_BLOCK


def test_checksums_between_frames_are_passed_over():
    two = rle_frame(1, 10, checksum=True) + rle_frame(1, 20, stated=20)
    assert zstd_size(read_from(two), len(two)) == 30


@pytest.mark.parametrize("name", ["zlib", "gzip", "bz2", "lzma"])
def test_a_stream_that_goes_on_and_on_is_given_up(name):
    encoded = {
        "zlib": lambda: zlib.compress(bytes(60 << 20)),
        "gzip": lambda: gzip.compress(bytes(60 << 20), 1),
        "bz2": lambda: bz2.compress(bytes(60 << 20)),
        "lzma": lambda: lzma.compress(bytes(60 << 20), preset=0),
    }[name]()
    tracemalloc.start()
    try:
        assert 4 << 20 < streamed_size(name, encoded, 4 << 20) <= 5 << 20
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["zlib", "gzip", "bz2", "lzma"])
def test_streams_in_a_row_are_added_up(name):
    one = bytes(CODECS[name].encode(np.random.default_rng(0).bytes(5000)))
    assert streamed_size(name, one * 3, 1 << 30) == 15_000
    assert streamed_size(name, one + b"rubbish" * 9, 1 << 30) == 5000
    assert streamed_size(name, one[:-9], 1 << 30) <= 5000
    assert streamed_size(name, b"", 1 << 30) == 0


@given(name=st.sampled_from(sorted(CODECS)), data=st.binary(max_size=60))
def test_rubbish_has_some_size(name, data):
    assert measured(name, data) >= 0


@settings(max_examples=60)
@given(data=st.data(), name=st.sampled_from(sorted(CODECS)))
def test_damaged_bytes_have_some_size_and_end(data, name):
    encoded = bytearray(CODECS[name].encode(np.arange(3000, dtype="u2")))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, min(60, len(encoded) - 1)))] = data.draw(st.integers(0, 255))
    assert measured(name, bytes(encoded)) >= 0
