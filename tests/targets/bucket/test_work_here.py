"""Where on this machine a file is built that goes to a bucket."""

from __future__ import annotations

import os

import pytest

from geopatcher.errors import TargetError, TargetLockedError
from geopatcher.targets.bucket import work_here
from geopatcher.targets.bucket.work_here import LeasedFolder, make_own, place_here
from geopatcher.targets.places import BucketUrl
from geopatcher.targets.run_folder import RunFolder

URL = BucketUrl("s3://bucket/maps/x.tif")


def test_each_address_has_a_place_and_the_same_each_time(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert place_here(URL) == place_here(BucketUrl(str(URL)))
    assert place_here(URL) != place_here(BucketUrl("s3://other/maps/x.tif"))
    assert place_here(URL).parent == tmp_path / f"geopatcher-{os.getuid()}"


def test_without_a_word_it_outlives_a_start_of_the_system(monkeypatch, tmp_path):
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(work_here, "LARGE", tmp_path)
    assert place_here(URL).is_relative_to(tmp_path)
    monkeypatch.setattr(work_here, "LARGE", tmp_path / "none")
    assert not place_here(URL).is_relative_to(tmp_path / "none")


def test_a_folder_of_others_is_not_built_in(tmp_path):
    make_own(tmp_path / "own")
    make_own(tmp_path / "own")
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    (tmp_path / "own").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("own", "link"):
        with pytest.raises(TargetError, match="may be written by others: set TMPDIR"):
            make_own(tmp_path / name)
    with pytest.raises(TargetError, match="cannot make .*none/x, to build a result in"):
        make_own(tmp_path / "none" / "x")


def test_one_run_at_a_time_has_it_here_and_there(bucket, tmp_path):
    def work(folder):
        place = tmp_path / folder / "x.tif"
        beside = RunFolder(place.with_name("x.tif.partial"), place.with_name("x.tif.lock"))
        return LeasedFolder(URL, bucket, beside)

    one, here, elsewhere = work("one"), work("one"), work("two")
    one.claim()
    assert one.is_held
    for other in (here, elsewhere):
        with pytest.raises(TargetLockedError, match=rf"{URL} is being written by process {os.getpid()}"):
            other.claim()
    one.release()
    here.claim()
    here.release()
    assert list(bucket.entries("")) == []
