from __future__ import annotations

import os

import pytest

from geopatcher.fields.folder_identity import folder_state


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "x").write_bytes(b"123")
    (tmp_path / "a" / "deep" / "y").write_bytes(b"45")
    return tmp_path / "a"


def touched(folder):
    os.utime(folder / "x", ns=(0, 7))


@pytest.mark.parametrize(
    "change",
    [
        touched,
        lambda folder: (folder / "x").write_bytes(b"1234"),
        lambda folder: (folder / "x").rename(folder / "z"),
        lambda folder: (folder / "x").rename(folder / "deep" / "x"),
        lambda folder: (folder / "new").touch(),
        lambda folder: (folder / "deep" / "y").unlink(),
    ],
)
def test_whatever_changes_is_noticed(folder, change):
    before = folder_state([folder])
    assert before[:2] == (2, 5)
    assert before.identity() == {"size": 5, "files": f"2 {before.digest}"}
    assert folder_state([folder]) == before
    change(folder)
    assert folder_state([folder]).digest != before.digest


def test_which_folder_a_file_is_in_counts_and_where_the_folders_are_does_not(folder, tmp_path):
    (tmp_path / "b").mkdir()
    one, other = folder_state([folder, tmp_path / "b"]), folder_state([tmp_path / "b", folder])
    assert one.digest != other.digest
    before = folder_state([folder])
    folder.rename(tmp_path / "moved")
    assert folder_state([tmp_path / "moved"]) == before


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert folder_state([tmp_path / "no"])[:2] == (0, 0)
    (tmp_path / "file").touch()
    assert folder_state([tmp_path / "file"])[:2] == (0, 0)
