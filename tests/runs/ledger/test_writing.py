from __future__ import annotations

import dataclasses
import resource

import pytest

from geopatcher.errors import TargetError
from geopatcher.runs.ledger.book import Completion, read_ledger
from geopatcher.runs.ledger.rows_json import Flaw
from geopatcher.runs.ledger.writing import Ledger
from ledgers import HEADER, ROWS, row


def test_failed_patches_that_say_much_or_are_many_make_a_line_that_is_read(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger.begin(path, HEADER, "1")
    flaws = [Flaw((row, 0), "operator", "\U0001f525" * 5000) for row in range(50_000)]
    row(ledger, ROWS[0], flaws)
    row(ledger, ROWS[1])
    ledger.close()
    account = read_ledger(path)
    assert account.rows == 2
    assert 0 < len(account.flawed[ROWS[0]]) < len(flaws)
    assert account.flawed[ROWS[0]][0].message == "\U0001f525" * 200


def test_a_run_that_goes_on_writes_another_file_than_the_one_it_took_over_from(tmp_path):
    path = tmp_path / "ledger.jsonl"
    first = Ledger.begin(path, HEADER, "1")
    row(first, ROWS[0])
    assert first.is_current
    second = Ledger.go_on(path, path, read_ledger(path), "2")
    row(first, ROWS[1])
    first.complete(Completion())
    row(second, ROWS[2])
    account = read_ledger(path)
    assert [account.finished.holds(box) for box in ROWS] == [True, False, True, False]
    assert account.completion is None
    assert (first.is_current, second.is_current) == (False, True)


def test_a_full_disk_names_the_ledger_and_keeps_what_was_written(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger.begin(path, HEADER, "1")
    row(ledger, ROWS[0])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(TargetError, match=r"cannot write the ledger .*ledger.jsonl: .*File too large"):
            row(ledger, ROWS[1])
        with pytest.raises(TargetError, match="cannot write the ledger"):
            Ledger.begin(
                tmp_path / "other.jsonl", dataclasses.replace(HEADER, fingerprint={"a": "x" * 9999}), "1"
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "other.jsonl").exists()
    account = read_ledger(path)
    assert account.rows == 1
    row(Ledger.go_on(path, path, account, "2"), ROWS[1])
    assert read_ledger(path).rows == 2


def test_it_appears_with_its_header_or_not_at_all(tmp_path):
    with pytest.raises(TargetError, match=r"cannot write the ledger .*gone/ledger\.jsonl"):
        Ledger.begin(tmp_path / "gone" / "ledger.jsonl", HEADER, "1")
    ledger = Ledger.begin(tmp_path / "ledger.jsonl", HEADER, "token")
    ledger.close()
    ledger.close()
    account = read_ledger(tmp_path / "ledger.jsonl")
    assert (account.header, account.run, account.rows) == (HEADER, "token", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.jsonl"]


def test_what_is_added_to_a_finished_ledger_goes_behind_its_last_good_line(tmp_path):
    path = tmp_path / "ledger.jsonl"
    first = Ledger.begin(path, HEADER, "1")
    row(first, ROWS[0])
    first.close()
    good = path.read_bytes()
    path.write_bytes(good + b'{"row": torn')
    again = Ledger.reopen(path, read_ledger(path))
    again.synced()
    again.close()
    assert path.read_bytes().startswith(good + b'{"synced":')
    account = read_ledger(path)
    assert account.rows == 1
    assert account.good_bytes == path.stat().st_size
