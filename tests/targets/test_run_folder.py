"""The folder in which one run at a time builds a result."""

from __future__ import annotations

import os

import pytest

from geopatcher.errors import TargetLockedError
from geopatcher.targets.run_folder import RunFolder


def folder_of(tmp_path):
    return RunFolder(tmp_path / "x.partial", tmp_path / "x.lock")


def test_one_run_at_a_time_has_it(tmp_path):
    first, second = folder_of(tmp_path), folder_of(tmp_path)
    assert not first.is_held
    first.claim()
    first.claim()  # it has it already
    assert (first.is_held, second.is_held) == (True, False)
    with pytest.raises(TargetLockedError, match=str(os.getpid())):
        second.claim()
    with pytest.raises(TargetLockedError):
        second.begin()
    first.release()
    second.claim()
    assert second.is_held
    second.release()


def test_what_an_earlier_run_left_is_found_if_it_has_a_ledger(tmp_path):
    first = folder_of(tmp_path)
    first.begin()
    assert first.own.parent == tmp_path / "x.partial"
    assert not first.is_begun  # its own folder is nothing to go on with
    later = folder_of(tmp_path)
    assert not later.is_begun
    assert later.earlier() is None
    first.ledger.write_text("{}")
    assert later.is_begun
    assert later.earlier() == first.own
    assert later.earlier_of(first.token) == first.own
    assert later.earlier_of("0" * 16) is None
    first.release()


def test_the_latest_of_several_is_gone_on_with(tmp_path):
    runs = [folder_of(tmp_path) for _ in range(2)]
    runs[0].begin()
    other = runs[0].own.with_name("run-00000000000000aa")
    other.mkdir()
    for folder, time in ((runs[0].own, 2e9), (other, 1e9)):
        RunFolder.ledger_in(folder).write_text("{}")
        os.utime(RunFolder.ledger_in(folder), (time, time))
    assert runs[1].earlier() == runs[0].own
    os.utime(RunFolder.ledger_in(other), (3e9, 3e9))
    assert runs[1].earlier() == other
    runs[0].release()


def test_who_goes_on_takes_the_folder_over(tmp_path):
    first, second = folder_of(tmp_path), folder_of(tmp_path)
    first.begin()
    first.ledger.write_text("lines")
    first.release()
    second.claim()
    second.adopt(second.earlier())
    assert second.ledger.read_text() == "lines"
    assert not first.own.exists()
    second.tidy()
    second.release()
    assert not (tmp_path / "x.partial").exists()


def test_a_run_after_another_in_the_same_object_has_a_token_of_its_own(tmp_path):
    folder = folder_of(tmp_path)
    folder.begin()
    token = folder.token
    folder.leave()
    folder.release()
    assert not (tmp_path / "x.partial").exists()
    folder.claim()
    assert folder.token != token
    folder.release()
