from __future__ import annotations

import json
import os
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.runs.ledger.book import read_ledger
from geopatcher.runs.ledger.lines import (
    append,
    decode,
    encode,
    read_lines,
)
from ledgers import HEADER

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), json_values, min_size=1))
def test_lines_come_back(record):
    line = encode(record)
    assert line.count(b"\n") == 1
    assert decode(line) == json.loads(json.dumps(record))
    assert json.loads(line)["crc"]  # each line is plain JSON for other readers


@given(st.data())
def test_a_line_with_one_bit_flipped_says_nothing(data):
    line = encode({"row": [0, 512, 0, 700], "flaws": [[1, 2, "read", "é", 0]]})
    bit = data.draw(st.integers(0, len(line) * 8 - 1))
    flipped = bytearray(line)
    flipped[bit // 8] ^= 1 << bit % 8
    assert decode(bytes(flipped)) is None


@given(st.binary(max_size=60))
def test_rubbish_is_no_line(rubbish):
    assert decode(rubbish + b"\n") is None
    assert decode(b'{"a":' + b"[" * 200_000 + b',"crc":1}\n') is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"row":[' + b"[" * 100_000 + b"]" * 100_000 + b"]",
        b'{"row":[' + b"{}," * 5_000_000 + b"0]",
        b'{"row":[0,NaN,0,Infinity]',
        b'{"row":[0,' + b"9" * 5000 + b",0,70]",
        b'{"row":[0,32,0,70],"row":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"s":"' + b"x" * (17 << 20) + b'"',
        b'{"s":"\xff\xfe"',
        b"[1,2,3",
    ],
    ids=["deep", "many", "no numbers", "long number", "deep objects", "long", "no text", "no object"],
)
def test_a_line_that_would_take_much_is_none_although_its_checksum_is_right(tmp_path, body):
    line = body + b',"crc":%d}\n' % zlib.crc32(body + b"}")
    path = tmp_path / "ledger.jsonl"
    first = encode(HEADER.to_json())  # once: it says when it was
    path.write_bytes(first + line + encode({"row": [0, 32, 0, 70]}))
    tracemalloc.start()
    try:
        account = read_ledger(path)
        assert tracemalloc.get_traced_memory()[1] < 120 << 20
    finally:
        tracemalloc.stop()
    assert (account.rows, account.good_bytes) == (0, len(first))


def test_lines_are_read_one_by_one(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(encode({"a": 1}) + b"x" * 1000)
    with path.open("rb") as file:
        assert list(read_lines(file)) == [({"a": 1}, len(encode({"a": 1})))]


def test_appended_lines_are_read_until_the_first_that_is_torn(tmp_path):
    path = tmp_path / "lines"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    records = [{"a": 1}, {"b": [1, "é", None]}]
    try:
        for record in records:
            append(descriptor, encode(record))
        whole = path.stat().st_size
        os.write(descriptor, encode({"c": 3})[:-4])
        append(descriptor, encode({"d": 4}), sync=False)
    finally:
        os.close(descriptor)
    with path.open("rb") as file:
        found = list(read_lines(file))
    assert [line.record for line in found] == records
    assert sum(line.n_bytes for line in found) == whole
