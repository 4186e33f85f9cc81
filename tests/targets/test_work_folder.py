"""Working folders: one for each run, taken over in one step, and nothing else removed."""

from __future__ import annotations

import pytest

from doubling import names
from geopatcher.errors import TargetError
from geopatcher.targets.work_folder import WorkFolder
from stored import tree


def begun(path):
    work = WorkFolder(path)
    work.begin()
    (work.own / "block").write_text(work.token)
    return work


def test_a_run_has_a_folder_that_no_other_has(tmp_path):
    first, second = WorkFolder(tmp_path / "w"), WorkFolder(tmp_path / "w")
    first.begin()
    assert names(tmp_path / "w") == [".geopatcher", first.own.name]
    assert first.own != second.own
    assert (first.earlier(), second.earlier()) == ([], [first.own])
    second.begin()
    assert names(tmp_path / "w") == [".geopatcher", second.own.name]
    second.remove()
    assert names(tmp_path) == []


def test_taking_over_renames(tmp_path):
    first = begun(tmp_path / "w")
    other = tmp_path / "w" / "run-00000000000000aa"
    other.mkdir()
    second = WorkFolder(tmp_path / "w")
    second.adopt(first.own)
    assert names(tmp_path / "w") == [".geopatcher", second.own.name]
    assert (second.own / "block").read_text() == first.token
    second.adopt(second.own)
    first.leave()  # its folder is another's: nothing happens
    assert (second.own / "block").exists()
    with pytest.raises(TargetError, match="cannot take over .*run-"):
        second.adopt(first.own)


def test_who_leaves_takes_the_folder_along_if_nobody_else_is_in_it(tmp_path):
    first = begun(tmp_path / "w")
    (tmp_path / "w" / "run-00000000000000aa").mkdir()
    first.leave()
    assert names(tmp_path / "w") == [".geopatcher", "run-00000000000000aa"]
    second = WorkFolder(tmp_path / "w")
    second.leave()
    assert names(tmp_path) == ["w"]
    second.remove()
    assert names(tmp_path) == []


def test_what_somebody_put_into_it_stays(tmp_path):
    work = begun(tmp_path / "w")
    (tmp_path / "w" / "precious").write_text("x")
    (tmp_path / "w" / "run-of-mine").mkdir()
    work.remove()
    assert names(tmp_path / "w") == [".geopatcher", "precious", "run-of-mine"]
    again = begun(tmp_path / "w")
    assert again.own.is_dir()
    again.remove()
    assert tree(tmp_path) == {"w/precious": b"x", "w/.geopatcher": b""}


@pytest.mark.parametrize("what", ["a folder", "a file", "a link"])
def test_what_is_not_ours_is_in_the_way(tmp_path, what):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "x").write_text("x")
    if what == "a folder":
        (tmp_path / "precious").rename(tmp_path / "w")
    elif what == "a file":
        (tmp_path / "w").write_text("x")
    else:
        (tmp_path / "w").symlink_to(tmp_path / "precious")
    before = tree(tmp_path)
    work = WorkFolder(tmp_path / "w")
    for call in (work.begin, work.remove):
        with pytest.raises(TargetError, match="w is in the way and was not made by a run"):
            call()
    assert work.earlier() == []
    assert tree(tmp_path) == before


def test_a_folder_that_lost_its_mark_is_known_by_what_is_in_it(tmp_path):
    work = begun(tmp_path / "w")
    (tmp_path / "w" / ".geopatcher").unlink()
    (tmp_path / "w" / "gone-00000000000000aa").mkdir()
    other = WorkFolder(tmp_path / "w")
    assert other.earlier() == [work.own]
    other.begin()
    assert names(tmp_path / "w") == [".geopatcher", other.own.name]
