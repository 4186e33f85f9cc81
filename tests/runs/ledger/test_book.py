"""The record of finished blocks: torn, flipped, hostile, and what is missing by it."""

from __future__ import annotations

import contextlib
import dataclasses
import tracemalloc
import zlib

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.errors import TargetError
from geopatcher.runs.ledger.book import Completion, read_ledger
from geopatcher.runs.ledger.files_json import files_to_json
from geopatcher.runs.ledger.lines import encode
from geopatcher.runs.ledger.writing import Ledger
from geopatcher.targets.digests import FileRecord, TiffRecord
from ledgers import FLAWS, HEADER, ROWS, SPEC, digests, row, row_line


def written(path, *, complete=True):
    ledger = Ledger.begin(path, HEADER, "1")
    for box in ROWS[:-1]:
        row(ledger, box)
    row(ledger, ROWS[-1], FLAWS)
    if complete:
        ledger.complete(Completion({"patches": 3, "seconds": {"read": 0.5}}))
    ledger.close()
    return path.read_bytes()


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "ledger.jsonl"
    written(path)
    account = read_ledger(path)
    assert account.header == HEADER
    assert account.rows == len(ROWS)
    assert [account.finished.holds(box) for box in ROWS] == [True, True, True, False]
    assert account.flawed == {ROWS[-1]: FLAWS}
    assert account.flaws() == list(FLAWS)
    assert account.completion.stats == {"patches": 3, "seconds": {"read": 0.5}}
    assert account.good_bytes == path.stat().st_size
    assert read_ledger(tmp_path / "none.jsonl") is None


def test_cut_anywhere_only_whole_lines_count_and_the_next_run_goes_on_behind_them(tmp_path):
    path = tmp_path / "ledger.jsonl"
    whole = written(path, complete=False)
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(ends[0], len(whole) + 1):
        path.write_bytes(whole[:cut])
        account = read_ledger(path)
        n_lines = sum(end <= cut for end in ends)
        assert account.good_bytes == ends[n_lines - 1]
        assert account.rows == max(0, n_lines - 2)  # a header and a session come first
        assert [account.finished.holds(box) for box in ROWS[:3]] == [row < account.rows for row in range(3)]
    path.write_bytes(whole[: ends[2] + 5])
    ledger = Ledger.go_on(path, path, read_ledger(path), "2")
    row(ledger, ROWS[2])
    ledger.close()
    again = read_ledger(path)
    assert [again.finished.holds(box) for box in ROWS] == [True, False, True, False]
    assert again.good_bytes == path.stat().st_size


def test_behind_a_damaged_line_nothing_is_trusted(tmp_path):
    path = tmp_path / "ledger.jsonl"
    lines = written(path).splitlines(keepends=True)
    lines[3] = lines[3].replace(b"[32,64", b"[32,96")  # would claim a row that is not there
    path.write_bytes(b"".join(lines))
    account = read_ledger(path)
    assert (account.rows, account.completion) == (1, None)


def test_a_row_done_again_without_flaws_is_finished(tmp_path):
    path = tmp_path / "ledger.jsonl"
    written(path)
    ledger = Ledger.go_on(path, tmp_path / "new.jsonl", read_ledger(path), "2")
    assert read_ledger(tmp_path / "new.jsonl").completion is None
    row(ledger, ROWS[-1])
    ledger.complete(Completion())
    account = read_ledger(tmp_path / "new.jsonl")
    assert account.flawed == {}
    assert account.finished.holds(ROWS[-1])
    assert account.completion is not None
    flawed_again = Ledger.go_on(path, path, read_ledger(path), "2")
    row(flawed_again, ROWS[0], FLAWS[:1])
    assert not read_ledger(path).finished.holds(ROWS[0])


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


def known(account, level=0):
    """What is known of the files, block by block."""
    height, width = account.block
    return {
        (where.row0 // height + i, where.col0 // width + j, name, band): tuple(array[band, i, j])
        for where, files in account.files(level)
        for name, array in files.items()
        for band, i, j in np.ndindex(array.shape[:3])
    }


def test_what_is_known_of_files_comes_back_and_the_last_word_counts(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger.begin(path, HEADER, "1")
    wanted = {}

    def write(box, seed):
        files = digests(SPEC, box, seed)
        ledger.row(box, files)
        for name, array in files.items():
            for band, i, j in np.ndindex(array.shape[:3]):
                wanted[box.row0 // 32 + i, box.col0 // 64 + j, name, band] = tuple(array[band, i, j])

    for seed, box in enumerate(
        [Box(0, 32, 0, 70), Box(32, 96, 0, 64), Box(64, 100, 0, 70), Box(0, 64, 64, 70), Box(32, 64, 0, 64)]
    ):
        write(box, seed)
    ledger.close()
    account = read_ledger(path)
    assert known(account) == wanted
    assert len(wanted) == 4 * 2 * (2 + 1 + 1 + 2)
    assert sum(row.n_pixels for row, _ in account.files()) == 100 * 70, "each block once"
    assert account.levels() == [0]


def test_levels_and_other_files_are_known_until_the_next_session(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger.begin(path, HEADER, "1")
    level = dataclasses.replace(SPEC, domain=dataclasses.replace(SPEC.domain, shape=(2, 50, 35)))
    box = Box(0, 50, 0, 35)
    others = {"zarr.json": FileRecord(10, 20, 30), "x/c/0": FileRecord(1, 2, 3)}
    tiff = TiffRecord(25, 77, 10, (1, 2, 3))
    ledger.seen(box, 1, digests(level, box))
    ledger.others(others)
    ledger.tiff("weight", tiff)
    ledger.complete(Completion(replaces=True))
    account = read_ledger(path)
    assert account.levels() == [0, 1]
    assert sum(row.n_pixels for row, _ in account.files(1)) == 50 * 35
    assert (account.others, account.tiffs) == (others, {"weight": tiff})
    assert account.completion.replaces
    assert (account.run, account.ended) == ("1", True)
    Ledger.go_on(path, path, account, "2").close()
    again = read_ledger(path)
    assert (again.levels(), again.others, again.tiffs) == ([0], {}, {})
    assert (again.run, again.ended, again.completion) == ("2", False, None)


def test_a_line_of_a_kind_not_known_says_nothing(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(encode(HEADER.to_json()) + encode({"weather": "fine"}))
    assert read_ledger(path).rows == 0


def test_a_ledger_that_says_the_same_again_and_again_takes_no_more_memory(tmp_path):
    path = tmp_path / "ledger.jsonl"
    written(path, complete=False)
    level = dataclasses.replace(SPEC, domain=dataclasses.replace(SPEC.domain, shape=(2, 50, 35)))
    box = Box(0, 50, 0, 35)
    with path.open("ab") as file:
        again = [
            encode(row_line(SPEC, ROWS[0])),
            encode({"synced": "now"}),
            encode({"level": 1, "box": [0, 50, 0, 35], **files_to_json(digests(level, box))}),
            encode({"unknown": list(range(2000))}),
        ]
        file.writelines(again * 2000)
    tracemalloc.start()
    try:
        account = read_ledger(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert account.good_bytes == path.stat().st_size > 18 << 20
    assert account.rows == len(ROWS) + 2000
    assert account.finished.holds(ROWS[0])


@pytest.mark.parametrize("name", ["../weight", "a/b", "", "/etc/passwd", "d2", "a\0b", None, 3, ["data"]])
def test_a_geotiff_of_no_array_of_the_result_is_refused(tmp_path, name):
    path = tmp_path / "ledger.jsonl"
    written(path)
    with path.open("ab") as file:
        file.write(encode({"tiff": name, "bytes": 0, "mtime": 0, "piece": 1, "crcs": []}))
    with pytest.raises(
        TargetError, match=r"is no array of the result, which has count, data.*overwrite=True"
    ):
        read_ledger(path)


def test_more_files_beside_the_blocks_than_a_store_has_are_refused(tmp_path):
    path = tmp_path / "ledger.jsonl"
    written(path)
    with path.open("ab") as file:
        for start in (0, 60_000):
            names = {f"f{number}": [1, 2, 3] for number in range(start, start + 60_000)}
            file.write(encode({"others": names}))
    with pytest.raises(TargetError, match=r"names more than 100,000 files beside the blocks"):
        read_ledger(path)


def test_flaws_of_rows_that_were_done_again_as_part_of_others_are_forgotten(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger.begin(path, HEADER, "1")
    left, right, both = Box(0, 32, 0, 64), Box(0, 32, 64, 70), Box(0, 32, 0, 70)
    row(ledger, left, FLAWS)
    row(ledger, both)
    assert read_ledger(path).flawed == {}
    row(ledger, both, FLAWS)
    row(ledger, left)
    assert read_ledger(path).flawed == {both: FLAWS}
    row(ledger, right)
    assert read_ledger(path).flawed == {}
    row(ledger, left, FLAWS)
    row(ledger, both, FLAWS[:1])
    assert read_ledger(path).flawed == {both: FLAWS[:1]}
    ledger.close()
