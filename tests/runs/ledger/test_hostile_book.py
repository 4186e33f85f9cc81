"""What is no ledger, or one made to do harm: refused, never executed, and of no cost."""

from __future__ import annotations

import contextlib
import dataclasses
import tracemalloc
import zlib

import pytest

from geopatcher.core.box import Box
from geopatcher.errors import TargetError
from geopatcher.runs.ledger.book import read_ledger
from geopatcher.runs.ledger.lines import encode
from geopatcher.runs.ledger.writing import Ledger
from ledgers import HEADER, ROWS, SPEC, row_line


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"hello",
        b"\x80\x04\x95",  # how a pickle begins
        b'!!python/object/apply:os.system ["touch owned"]\n',
        encode({"row": [0, 1, 0, 1]}),
        encode({"ledger": 1, "fingerprint": {}, "result": {}}),
        encode({"ledger": 2, "fingerprint": [], "result": {}, "bands": 1, "dtype": None}),
        encode({**HEADER.to_json(), "result": None}),
        encode({**HEADER.to_json(), "dtype": "O,O,__import__"}),
        encode(HEADER.to_json())[:-9],
    ],
)
def test_what_is_no_ledger_is_refused_and_never_executed(tmp_path, content, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(content)
    with pytest.raises(TargetError, match=r"ledger.jsonl is not a ledger .*overwrite=True"):
        read_ledger(path)
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.jsonl"]


@pytest.mark.parametrize(
    "record",
    [
        {"row": [0, 1]},
        {"row": "x"},
        {"row": [0, -5, 0, 5]},
        {"row": [-5, 5, 0, 5]},
        {"row": [0, 1.5, 0, 5]},
        {"row": [0, 32, 0, True]},
        {"row": [0, 32, 0, None]},
        {"row": [0, 32, 0, "70"]},
        {"row": [0, 32, 0, [70]]},
        {"row": [[]] * 4},
        {"row": {}},
        {"row": None},
        {"row": [32, 0, 0, 70]},
        {"row": list(range(100_000))},
        {"row": "x" * (1 << 20)},
        {**row_line(SPEC, ROWS[0]), "flaws": [[None, 2, "", "", 0]]},
        {**row_line(SPEC, ROWS[0]), "flaws": [[1, [2], "", "", 0]]},
        {**row_line(SPEC, ROWS[0]), "flaws": [[1, 1e300, "", "", 0]]},
        {**row_line(SPEC, ROWS[0]), "flaws": [[1, True, "", "", 0]]},
        {**row_line(SPEC, ROWS[0]), "flaws": [[1, 2, "", "", -1]]},
        {**row_line(SPEC, ROWS[0]), "flaws": [[1, 2, "", "", None]]},
        {**row_line(SPEC, ROWS[0]), "flaws": {"a": 1}},
        {**row_line(SPEC, ROWS[0]), "flaws": ["abcde", {}]},
        {**row_line(SPEC, ROWS[0]), "flaws": 3},
        {**row_line(SPEC, ROWS[0]), "flaws": [[1, 2]]},
        {**row_line(SPEC, ROWS[0]), "flaws": [["a", 2, "", "", 0]]},
        {"row": [0, 32, 0, 70]},
        {**row_line(SPEC, ROWS[0]), "row": [32, 96, 0, 70]},
        {**row_line(SPEC, ROWS[0]), "row": [0, 32, 1, 70]},
        {**row_line(SPEC, ROWS[0]), "row": [0, 32, 0, 10**18]},
        {**row_line(SPEC, ROWS[0]), "row": [0, 31, 0, 70]},
        {**row_line(SPEC, ROWS[0]), "at": -1},
        {**row_line(SPEC, ROWS[0]), "at": 2**63},
        {**row_line(SPEC, ROWS[0]), "files": {"data": []}},
        {**row_line(SPEC, ROWS[0]), "files": {key: [1, 2, 3] for key in ("data", "weight", "count")}},
        {**row_line(SPEC, ROWS[0]), "files": {key: [2**70] * 12 for key in ("data", "weight", "count")}},
        {**row_line(SPEC, ROWS[0]), "files": {key: ["x"] * 12 for key in ("data", "weight", "count")}},
        {"level": 0, "box": [0, 32, 0, 35]},
        {"level": 99, "box": [0, 32, 0, 35]},
        {"level": 10**18, "box": [0, 32, 0, 35]},
        {"seen": [0, 32, 0, 70]},
        {"others": []},
        {"others": {"zarr.json": [1, 2]}},
        {"others": {"../../etc/passwd": [1, 2, 3]}},
        {"others": {"/etc/passwd": [1, 2, 3]}},
        {"tiff": "data", "bytes": 10, "mtime": 1, "piece": 0, "crcs": []},
        {"tiff": "data", "bytes": 10**18, "mtime": 1, "piece": 1, "crcs": [1]},
        {"tiff": "data", "bytes": 10**18, "mtime": 1, "piece": 10**18, "crcs": [1]},
        {"tiff": "data"},
        {"complete": "now"},
    ],
)
def test_a_line_with_a_good_checksum_and_wrong_content_is_refused(tmp_path, record):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(encode(HEADER.to_json()) + encode(record))
    with pytest.raises(TargetError, match=r"ledger.jsonl is damaged"):
        read_ledger(path)


@pytest.mark.parametrize("rows", [(0, 10**18), (0, 32 << 40), (10**30, 2 * 10**30)])
@pytest.mark.parametrize("shape", [(2, 100, 70), (2, 10**18, 10**18)])
def test_a_row_of_any_height_takes_no_time_and_no_memory(tmp_path, rows, shape):
    spec = dataclasses.replace(
        SPEC, domain=dataclasses.replace(SPEC.domain, shape=shape, band_names=(), units=())
    )
    path = tmp_path / "ledger.jsonl"
    line = encode({"row": [*rows, 0, rows[1]]})
    path.write_bytes(encode(dataclasses.replace(HEADER, spec=spec).to_json()) + line * 100)
    tracemalloc.start()
    try:
        with contextlib.suppress(TargetError):
            read_ledger(path)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_of_keys_that_come_twice_the_last_counts_and_nothing_breaks(tmp_path):
    body = b'{"row":[0,32,0,70],' + encode(row_line(SPEC, ROWS[1])).rpartition(b",")[0][1:]
    path = tmp_path / "ledger.jsonl"
    Ledger.begin(path, HEADER, "1").close()
    path.write_bytes(path.read_bytes() + body + b',"crc":%d}\n' % zlib.crc32(body + b"}"))
    assert read_ledger(path).finished.holds(Box(32, 64, 0, 70))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bands", -1),
        ("bands", True),
        ("bands", 2.0),
        ("bands", "2"),
        ("dtype", "O"),
        ("dtype", "<f4,<f4"),
        ("dtype", "V100000000"),
        ("dtype", "(1000000,1000000)f4"),
        ("dtype", "<U10"),
        ("dtype", 4),
        ("dtype", ["<f4"]),
        ("fingerprint", None),
        ("fingerprint", [["a", 1]]),
    ],
)
def test_a_hostile_header_is_a_plain_error(tmp_path, key, value):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(encode({**HEADER.to_json(), key: value}))
    with pytest.raises(TargetError, match=r"ledger.jsonl is not a ledger that can be continued"):
        read_ledger(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", [2, 100, True]),
        ("shape", [2, 100.0, 70]),
        ("shape", "999"),
        ("shape", [10**400, 0, 1]),
        ("shape", [1] * 33),
        ("transform", [1, 2, 3]),
        ("transform", [1] * 9999),
        ("transform", [10**400] * 6),
        ("transform", ["x"] * 6),
        ("dtype", "object"),
        ("dtype", "O"),
        ("dtype", "M8[ns]"),
        ("nodata", 10**30),
        ("nodata", 10**400),
        ("nodata", "9" * 10**6),
        ("nodata", 1.5),
        ("fill", 10**30),
        ("fill", None),
        ("chunks", [0, 5]),
        ("chunks", [True, True]),
        ("chunks", [1.0, 2]),
        ("shards", [-1, 5]),
        ("layers", {"weight": ["O", 0]}),
        ("layers", {"weight": ["<f4", 0, 1]}),
        ("layers", {"weight": [["<f4"], 0]}),
        ("layers", {"count": ["<u2", -1]}),
        ("layers", [["weight", "<f4", 0]]),
        ("codec", "pickle"),
        ("codec", ["zstd"]),
        ("crs", {"a": 1}),
        ("band_names", "ab"),
        ("band_names", [["a"], "b"]),
    ],
)
def test_a_hostile_spec_is_a_plain_error(tmp_path, key, value):
    path = tmp_path / "ledger.jsonl"
    header = HEADER.to_json()
    path.write_bytes(encode({**header, "result": {**header["result"], key: value}}))
    with pytest.raises(TargetError, match=r"ledger.jsonl is not a ledger that can be continued") as caught:
        read_ledger(path)
    assert len(str(caught.value)) < 1000
