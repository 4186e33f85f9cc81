"""Rows that were done are found again by a run of the same, and by no other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from geopatcher.errors import TargetError, TargetExistsError, TargetLockedError
from geopatcher.runs.row_files import RowFiles, RowKey, kept

SAME = {"library": "1", "operator": "net", "plan.step": "16x16"}
KEYS = [RowKey(0, 0, 9), RowKey(16, 0, 9)]


def files(tmp_path, fingerprint=SAME, columns=(0, 9)):
    return RowFiles(tmp_path / "ships.gpkg", dict(fingerprint), columns)


def begun(tmp_path, **options):
    """Leave two rows behind, as a run that was interrupted."""
    rows = files(tmp_path, **options).open(resume=True, overwrite=False)
    for key in KEYS:
        rows.record(rows.write(key, f"row {key.row}".encode(), {"n": 1, "top": key.row + 0.1}))
    rows.close(tidy=False)
    return rows


def names(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir())


def test_what_was_recorded_is_there_for_the_same_run(tmp_path):
    begun(tmp_path)
    again = files(tmp_path, columns=(0, 4, 9)).open(resume=True, overwrite=False)
    assert [*again.notes] == KEYS
    assert again.columns == (0, 9)  # those of the run that began
    assert [again.read(note) for note in again.notes.values()] == [b"row 0", b"row 16"]
    assert again.notes[KEYS[1]].numbers == {"n": 1, "top": 16.1}
    again.close(tidy=True)
    assert names(tmp_path) == []


def test_what_was_written_and_not_recorded_does_not_count(tmp_path):
    rows = files(tmp_path).open(resume=True, overwrite=False)
    rows.write(KEYS[0], b"row", {"n": 0})
    rows.close(tidy=False)
    again = files(tmp_path).open(resume=True, overwrite=False)
    assert not again.notes
    again.close(tidy=True)


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_row_whose_file_is_not_what_was_written_is_done_again(tmp_path, damage):
    rows = begun(tmp_path)
    (file,) = (tmp_path / "ships.gpkg.partial").glob(f"run-*/{KEYS[0].file}")
    file.unlink() if damage == "gone" else file.write_bytes(b"another")
    again = files(tmp_path).open(resume=True, overwrite=False)
    assert [*again.notes] == KEYS[1:]
    again.close(tidy=True)
    assert rows.notes


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_torn_line_is_left_out_and_written_over(tmp_path, cut):
    begun(tmp_path)
    (ledger,) = (tmp_path / "ships.gpkg.partial").glob("run-*/ledger.jsonl")
    ledger.write_bytes(ledger.read_bytes()[:-cut])
    again = files(tmp_path).open(resume=True, overwrite=False)
    assert [*again.notes] == KEYS[:1]
    again.record(again.write(KEYS[1], b"anew", {"n": 0}))
    again.close(tidy=False)
    third = files(tmp_path).open(resume=True, overwrite=False)
    assert [third.read(note) for note in third.notes.values()] == [b"row 0", b"anew"]
    third.close(tidy=True)


def test_a_file_that_changes_later_is_refused_when_it_is_read(tmp_path):
    rows = files(tmp_path).open(resume=True, overwrite=False)
    note = rows.write(KEYS[0], b"row", {"n": 0})
    (rows.work.own / note.key.file).write_bytes(b"wor")
    with pytest.raises(TargetError, match="was changed since it was written"):
        rows.read(note)
    (rows.work.own / note.key.file).unlink()
    with pytest.raises(TargetError, match="cannot read"):
        rows.read(note)
    rows.close(tidy=True)


def test_another_run_is_refused_by_what_differs_and_begins_anew_when_asked(tmp_path):
    begun(tmp_path)
    other = SAME | {"plan.step": "8x8"}
    with pytest.raises(TargetExistsError, match="plan.step was 16x16 and is 8x8"):
        files(tmp_path, other).open(resume=True, overwrite=False)
    anew = files(tmp_path, other).open(resume=True, overwrite=True)
    assert not anew.notes
    anew.close(tidy=True)


def test_what_cannot_be_known_is_not_gone_on_with_unless_it_is_said_to_be_the_same(tmp_path):
    unknown = SAME | {"operator.unknown": "attribute net: a session"}
    begun(tmp_path, fingerprint=unknown)
    with pytest.raises(TargetExistsError, match="attribute net: a session.*resume='always'"):
        files(tmp_path, unknown).open(resume=True, overwrite=False)
    again = files(tmp_path, unknown).open(resume="always", overwrite=False)
    assert [*again.notes] == KEYS
    again.close(tidy=True)


def test_without_resume_an_interrupted_run_is_refused_or_replaced(tmp_path):
    begun(tmp_path)
    with pytest.raises(TargetExistsError, match="holds what an interrupted run finished"):
        files(tmp_path).open(resume=False, overwrite=False)
    anew = files(tmp_path).open(resume=False, overwrite=True)
    assert not anew.notes
    anew.close(tidy=True)


def test_a_file_that_is_there_is_refused(tmp_path):
    (tmp_path / "ships.gpkg").write_text("mine")
    with pytest.raises(TargetExistsError, match="ships.gpkg exists: choose another name"):
        files(tmp_path).open(resume=True, overwrite=False)
    files(tmp_path).open(resume=True, overwrite=True).close(tidy=True)
    assert names(tmp_path) == ["ships.gpkg"]


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(TargetError, match="the folder .*nowhere does not exist"):
        RowFiles(tmp_path / "nowhere" / "a.gpkg", {}, (0, 1)).open(resume=True, overwrite=False)


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "ships.gpkg").mkdir()
    for overwrite in (False, True):
        with pytest.raises(TargetError, match=r"ships\.gpkg is a folder, where a file is to be"):
            files(tmp_path).open(resume=True, overwrite=overwrite)
    assert names(tmp_path) == ["ships.gpkg"]


def test_one_run_at_a_time(tmp_path):
    one = files(tmp_path).open(resume=True, overwrite=False)
    with pytest.raises(TargetLockedError, match="is being written by process"):
        files(tmp_path).open(resume=True, overwrite=False)
    one.close(tidy=True)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    folder = tmp_path / "ships.gpkg.partial"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(TargetError, match="is in the way and was not made by a run"):
        files(tmp_path).open(resume=True, overwrite=True)
    assert names(tmp_path) == ["ships.gpkg.partial"]


def test_a_ledger_of_another_kind_is_begun_anew(tmp_path):
    begun(tmp_path)
    (ledger,) = (tmp_path / "ships.gpkg.partial").glob("run-*/ledger.jsonl")
    ledger.write_bytes(b'{"something":"else"}\n')
    again = files(tmp_path).open(resume=True, overwrite=False)
    assert not again.notes
    again.close(tidy=True)


def test_what_is_kept_is_told():
    assert kept({}, "a.gpkg") == "nothing is kept"
    assert kept([1, 2], "a.gpkg") == "2 rows of patches are kept: run the same again to go on with a.gpkg"


def test_a_process_that_is_killed_leaves_what_it_recorded(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from geopatcher.runs.row_files import RowFiles, RowKey
rows = RowFiles(Path({str(tmp_path / "ships.gpkg")!r}), {SAME!r}, (0, 9)).open(resume=True, overwrite=False)
rows.record(rows.write(RowKey(0, 0, 9), b"row 0", {{"n": 1}}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    again = files(tmp_path).open(resume=True, overwrite=False)
    assert [again.read(note) for note in again.notes.values()] == [b"row 0"]
    again.close(tidy=True)
