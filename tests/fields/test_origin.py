from __future__ import annotations

import os

from geopatcher.fields.origin import FileOrigin, FoldersOrigin, NamedOrigin


def test_a_file_is_its_name_and_what_it_is_now(tmp_path):
    file = tmp_path / "a.npy"
    file.write_bytes(b"123")
    origin = FileOrigin(str(file), {"key": "v"})
    before, version = origin.identity(), origin.version()
    assert (before["path"], before["key"], before["size"]) == (str(file), "v", 3)
    os.utime(file, ns=(0, 7))
    assert origin.identity() != before
    assert origin.version() != version


def test_a_folder_is_all_of_its_files(tmp_path):
    (tmp_path / "x").write_bytes(b"12")
    origin = FileOrigin(str(tmp_path))
    before, version = origin.identity(), origin.version()
    assert before["size"] == 2
    (tmp_path / "y").write_bytes(b"3")
    assert origin.identity()["size"] == 3
    assert origin.version() != version


def test_what_is_no_file_says_so(tmp_path):
    found = FileOrigin(str(tmp_path / "none")).identity()
    assert "unknown" in found


def test_of_a_store_some_folders_count(tmp_path):
    for name in ("data", "mask", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "c").write_bytes(b"1")
    origin = FoldersOrigin(str(tmp_path), (tmp_path / "data", tmp_path / "mask"), {"array": "data"})
    before = origin.identity()
    assert (before["path"], before["array"], before["size"]) == (str(tmp_path), "data", 2)
    (tmp_path / "other" / "c").write_bytes(b"123")
    assert origin.identity() == before
    version = origin.version()
    (tmp_path / "mask" / "c").write_bytes(b"123")
    assert origin.version() != version
    assert origin.identity() != before


def test_what_is_computed_is_known_by_how_and_may_say_why_that_is_not_all():
    assert NamedOrigin({"key": "a"}).identity() == {"key": "a"}
    assert NamedOrigin({"key": "a"}, "may change").identity() == {"key": "a", "unknown": "may change"}
    assert NamedOrigin({"key": "a"}).version() == ""
