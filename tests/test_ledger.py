"""The record of finished blocks: torn, flipped, hostile, and what is missing by it."""

from __future__ import annotations

import dataclasses
import json
import math
import resource

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.box import Box
from geopatcher.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.errors import TargetError
from geopatcher.finished import Finished
from geopatcher.ledger.book import Completion, Flaw, Header, Ledger, differences, read_ledger
from geopatcher.ledger.lines import decode, encode, number_from_json, number_to_json, read_lines
from geopatcher.ledger.spec_json import spec_from_json, spec_to_json

SPEC = ResultSpec(
    domain=RasterDomain(
        (2, 100, 70),
        Affine(10.0, 0.5, 3e5, -0.25, -10.0, 7e6),
        "EPSG:32725",
        -9999,
        np.dtype("int16"),
        ("rot", "grün"),
        ("1", "m"),
    ),
    chunks=(16, 32),
    fill=-9999,
    layers={"weight": LayerSpec(np.dtype("float32"), math.inf), "count": LayerSpec(np.dtype("uint16"), 0)},
    codec="blosc-zstd-1",
    shards=(32, 64),
    multiscales=True,
    overview="mode",
)
HEADER = Header({"source.size": 12, "plan.step": "8x8"}, SPEC, 2, np.dtype("float32"))
ROWS = [Box(row, min(row + 32, 100), 0, 70) for row in range(0, 100, 32)]
FLAWS = (Flaw((8, 16), "operator", "ValueError: naïve \ud800", 2), Flaw((8, 24), "read", "x"))

finite = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def written(path, *, complete=True):
    ledger = Ledger.begin(path, HEADER)
    for box in ROWS[:-1]:
        ledger.row(box)
    ledger.row(ROWS[-1], FLAWS)
    if complete:
        ledger.complete(Completion({"patches": 3, "seconds": {"read": 0.5}}, ("source.size was 1 and is 2",)))
    ledger.close()
    return path.read_bytes()


# -- lines ----------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("value", [0, -3, 0.1, None, math.inf, -math.inf, 2**60])
def test_numbers_come_back(value):
    assert number_from_json(json.loads(json.dumps(number_to_json(value), allow_nan=False))) == value


def test_nan_comes_back_and_rubbish_is_no_number():
    assert math.isnan(number_from_json(number_to_json(math.nan)))
    for wrong in (True, [1], "many"):
        with pytest.raises(ValueError, match=r"is not a number|could not convert"):
            number_from_json(wrong)


# -- the spec -------------------------------------------------------------------------------------


def test_every_field_of_a_spec_is_written_down_and_comes_back():
    plain = ResultSpec(RasterDomain((4, 5)), (16, 16), 0)
    for field in dataclasses.fields(ResultSpec):
        assert getattr(SPEC, field.name) != getattr(plain, field.name), "the test must use another value"
    for field in dataclasses.fields(RasterDomain):
        assert getattr(SPEC.domain, field.name) != getattr(plain.domain, field.name)
    for spec in (SPEC, plain):
        assert spec_from_json(json.loads(json.dumps(spec_to_json(spec), allow_nan=False))) == spec


def test_nan_as_nodata_comes_back():
    spec = dataclasses.replace(SPEC, domain=dataclasses.replace(SPEC.domain, nodata=math.nan), fill=math.nan)
    back = spec_from_json(json.loads(json.dumps(spec_to_json(spec))))
    assert math.isnan(back.fill)
    assert math.isnan(back.domain.nodata)


@pytest.mark.parametrize("key", list(spec_to_json(SPEC)))
@pytest.mark.parametrize("value", ["missing", None, [], {}, "rubbish", [1, "x"], {"a": 1}, -1])
def test_a_damaged_spec_is_a_plain_error(key, value):
    record = dict(spec_to_json(SPEC))
    if value == "missing":
        del record[key]
    else:
        record[key] = value
    try:
        back = spec_from_json(record)
    except ValueError:
        return
    assert back != SPEC  # another value that happens to mean something


# -- the book -------------------------------------------------------------------------------------


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
    assert account.completion.changed == ("source.size was 1 and is 2",)
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
    ledger = Ledger.go_on(path, read_ledger(path))
    ledger.row(ROWS[2])
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
    ledger = Ledger.revive(path, tmp_path / "new.jsonl", read_ledger(path))
    assert read_ledger(tmp_path / "new.jsonl").completion is None
    ledger.row(ROWS[-1])
    ledger.complete(Completion())
    account = read_ledger(tmp_path / "new.jsonl")
    assert account.flawed == {}
    assert account.finished.holds(ROWS[-1])
    assert account.completion is not None
    flawed_again = Ledger.go_on(path, read_ledger(path))
    flawed_again.row(ROWS[0], FLAWS[:1])
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
        encode({"ledger": 2, "fingerprint": {}, "result": {}}),
        encode({"ledger": 1, "fingerprint": [], "result": {}, "bands": 1, "dtype": None}),
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
        {"row": [0, 32, 0, 5], "flaws": 3},
        {"row": [0, 32, 0, 5], "flaws": [[1, 2]]},
        {"row": [0, 32, 0, 5], "flaws": [["a", 2, "", "", 0]]},
        {"complete": "now"},
    ],
)
def test_a_line_with_a_good_checksum_and_wrong_content_is_refused(tmp_path, record):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(encode(HEADER.to_json()) + encode(record))
    with pytest.raises(TargetError, match=r"ledger.jsonl is damaged"):
        read_ledger(path)


def test_a_line_of_a_kind_not_known_says_nothing(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(encode(HEADER.to_json()) + encode({"weather": "fine"}))
    assert read_ledger(path).rows == 0


def test_a_full_disk_names_the_ledger_and_keeps_what_was_written(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger.begin(path, HEADER)
    ledger.row(ROWS[0])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(TargetError, match=r"cannot write the ledger .*ledger.jsonl: .*File too large"):
            ledger.row(ROWS[1])
        with pytest.raises(TargetError, match="cannot write the ledger"):
            Ledger.begin(tmp_path / "other.jsonl", dataclasses.replace(HEADER, fingerprint={"a": "x" * 9999}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "other.jsonl").exists()
    account = read_ledger(path)
    assert account.rows == 1
    Ledger.go_on(path, account).row(ROWS[1])
    assert read_ledger(path).rows == 2


def test_lines_are_read_one_by_one(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(encode({"a": 1}) + b"x" * 1000)
    assert read_lines(path) == ([{"a": 1}], len(encode({"a": 1})))


def test_differences_name_each_entry():
    old, new = {"a": 1, "b": "x", "c": 2}, {"b": "y", "c": 2, "d": 0.5}
    assert differences(old, new) == [
        "a was 1 and is not there",
        "b was x and is y",
        "d was not there and is 0.5",
    ]
    assert differences(old, dict(old)) == []


# -- what is missing ------------------------------------------------------------------------------

boxes = st.builds(
    lambda r, h, c, w: Box(r * 4, (r + h) * 4, c, c + w),
    st.integers(0, 5),
    st.integers(1, 3),
    st.integers(0, 20),
    st.integers(1, 20),
)


@given(done=st.lists(boxes, max_size=8), undone=st.lists(boxes, max_size=3), region=boxes)
def test_missing_is_what_a_map_of_the_pixels_says(done, undone, region):
    pixels = np.zeros((40, 50), bool)
    finished = Finished(4)
    for box in done:
        finished.add(box)
        pixels[box.slices()] = True
    for box in undone:
        finished.remove(box)
        pixels[box.slices()] = False
    seen = np.zeros((40, 50), int)
    for box in finished.missing(region):
        assert box.n_pixels > 0
        assert box.row0 % 4 == 0
        seen[box.slices()] += 1
    wanted = np.zeros((40, 50), int)
    wanted[region.slices()] = ~pixels[region.slices()]
    assert np.array_equal(seen, wanted)  # each missing pixel once, no finished one
    assert finished.holds(region) == pixels[region.slices()].all()


def test_rows_that_miss_the_same_come_as_one_rectangle():
    finished = Finished(10, [Box(0, 10, 0, 100), Box(30, 40, 0, 50)])
    assert list(finished.missing(Box(0, 75, 0, 100))) == [
        Box(10, 30, 0, 100),
        Box(30, 40, 50, 100),
        Box(40, 75, 0, 100),
    ]
    assert list(Finished(10).missing(Box(0, 75, 0, 100))) == [Box(0, 75, 0, 100)]
