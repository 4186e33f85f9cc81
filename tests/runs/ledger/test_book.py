"""The record of finished blocks: torn, flipped, done again, and what is missing by it."""

from __future__ import annotations

import dataclasses
import tracemalloc

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
