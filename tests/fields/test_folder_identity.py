from __future__ import annotations

import os

import pytest

from geopatcher.fields.folder_identity import SAMPLED, folder_sample, folder_state


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


def test_bytes_count_where_size_and_time_are_the_same(folder):
    before = folder_state([folder]), folder_sample([folder])
    times = (folder / "x").stat()
    (folder / "x").write_bytes(b"124")
    os.utime(folder / "x", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert folder_state([folder]) == before[0]
    assert folder_sample([folder]) != before[1]


@pytest.mark.parametrize("n", [1, 2, SAMPLED, SAMPLED + 1, 3 * SAMPLED])
def test_of_many_files_the_first_and_the_last_are_looked_at(tmp_path, n):
    for number in range(n):
        (tmp_path / f"{number:05d}").write_bytes(b"a")
    found = {folder_sample([tmp_path])}
    for number in (0, n - 1):
        (tmp_path / f"{number:05d}").write_bytes(b"b")
        found.add(folder_sample([tmp_path]))
    assert len(found) == (2 if n == 1 else 3)


def test_no_file_and_one_that_may_not_be_read_have_a_digest(tmp_path):
    assert folder_sample([]) == folder_sample([tmp_path])
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert folder_sample([tmp_path]) == folder_sample([tmp_path])
