from __future__ import annotations

import os
import threading

import pytest

from doubling import names
from geopatcher.errors import TargetError
from geopatcher.targets import folders
from geopatcher.targets.folders import link_file, make_below, put_in_place, remove
from geopatcher.targets.work_folder import WorkFolder


def begun(path):
    work = WorkFolder(path)
    work.begin()
    (work.own / "block").write_text(work.token)
    return work


def test_removing_a_folder_that_is_still_written_into(tmp_path):
    work = begun(tmp_path / "w")
    stop, written = threading.Event(), []

    def write():
        while not stop.is_set():
            try:
                (work.own / f"block {len(written)}").write_text("late")
            except FileNotFoundError:
                written.append(None)
            else:
                written.append(1)

    thread = threading.Thread(target=write)
    thread.start()
    while not written:
        pass
    other = WorkFolder(tmp_path / "w")
    other.begin()
    stop.set()
    thread.join()
    assert names(tmp_path / "w") == [".geopatcher", other.own.name]


def test_folders_are_made_below_one_that_is_there_and_never_it(tmp_path):
    (tmp_path / "root").mkdir()
    make_below(tmp_path / "root" / "a" / "b", tmp_path / "root")
    make_below(tmp_path / "root" / "a" / "b", tmp_path / "root")
    make_below(tmp_path / "root", tmp_path / "root")
    assert (tmp_path / "root" / "a" / "b").is_dir()
    with pytest.raises(FileNotFoundError):
        make_below(tmp_path / "gone" / "a", tmp_path / "gone")
    assert names(tmp_path) == ["root"]


def test_of_a_link_the_link_is_removed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()
    (tmp_path / "link").symlink_to("folder")
    remove(tmp_path / "link")
    assert names(tmp_path) == ["folder"]
    remove(tmp_path / "folder")
    remove(tmp_path / "nothing")
    assert names(tmp_path) == []


@pytest.mark.parametrize("finished", ["file", "folder"])
@pytest.mark.parametrize("before", [None, "file", "folder"])
def test_what_is_there_gives_way(tmp_path, finished, before):
    def make(path, kind, text):
        place = path
        if kind == "folder":
            path.mkdir()
            place = path / "x"
        place.write_text(text)

    make(tmp_path / "new", finished, "new")
    (tmp_path / "aside").write_text("of a run before")
    if before is not None:
        make(tmp_path / "place", before, "old")
    put_in_place(tmp_path / "new", tmp_path / "place", tmp_path / "aside")
    place = tmp_path / "place"
    assert (place / "x" if finished == "folder" else place).read_text() == "new"
    assert names(tmp_path) == ["place"]


def test_a_result_that_cannot_be_moved_is_still_there(tmp_path):
    (tmp_path / "new").write_text("new")
    with pytest.raises(TargetError, match=r"cannot move the finished result .*/new to .*/gone/place"):
        put_in_place(tmp_path / "new", tmp_path / "gone" / "place", tmp_path / "aside")
    assert (tmp_path / "new").read_text() == "new"


def test_a_second_name_is_the_same_file_or_a_copy(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("x")
    link_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").samefile(tmp_path / "b")

    def refused(*_):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refused)
    link_file(tmp_path / "a", tmp_path / "c")
    assert not (tmp_path / "a").samefile(tmp_path / "c")
    assert (tmp_path / "c").read_text() == "x"


def test_what_is_not_there_has_no_second_name(tmp_path):
    with pytest.raises(FileNotFoundError):
        link_file(tmp_path / "none", tmp_path / "b")
    assert folders.REMOVALS > 1
