"""When a run asks its source whether it has changed, and what becomes of the rows of one that has."""

from __future__ import annotations

import os

import numpy as np
import pytest

import geopatcher
from doubling import IMAGE
from geopatcher.engine.job import Job
from geopatcher.errors import SourceError
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.runs import source_watch
from geopatcher.runs.source_watch import Glance, SourceWatch
from geotiffs import write_geotiff


class Talker:
    """A source that answers what it is told, or not."""

    name, domain = "talker", geopatcher.RasterDomain((4, 4))

    def __init__(self):
        self.says, self.state, self.asked = "1", {"etag": "1"}, 0

    def identity(self):
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def version(self):
        self.asked += 1
        if self.says is None:
            raise SourceError("no answer")
        return self.says


@pytest.fixture
def talker(monkeypatch):
    monkeypatch.setattr(source_watch, "PAUSE_S", 0.0)
    return Talker()


def watching(source, identity=None):
    job = Job(None, source, np.copy, None, None)
    watch = SourceWatch(job)
    watch.begin()
    watch.expect(source_watch.identity_of_source(job) if identity is None else identity)
    return watch


def test_rows_pass_while_nothing_changes(talker):
    watch = watching(talker)
    assert next(watch.passed(row) for row in "abc") == ["a"]
    talker.says, talker.state = "2", {"etag": "2"}
    watch._next_at = 0.0
    with pytest.raises(SourceError, match=r"talker changed while it was read \(source.etag was 1 and is 2\)"):
        watch.passed("d")


def test_rows_wait_for_a_slow_answer_and_for_one_at_all(talker, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(source_watch.time, "monotonic", lambda: now[0])
    watch = watching(talker)
    version = talker.version

    def slow():
        now[0] += 0.2
        return version()

    monkeypatch.setattr(talker, "version", slow)
    assert watch.passed("a") == ["a"]
    now[0] += 19.0
    assert watch.passed("b") == []
    talker.says = None
    now[0] += 1.5
    assert watch.passed("c") == []
    talker.says = "1"
    now[0] += 30.0
    assert watch.passed("d") == ["b", "c", "d"]
    assert talker.asked == 4


def test_what_is_far_is_asked_for_the_last_time_when_all_is_read(talker):
    talker.reads_at_once = 4
    for watch in (watching(talker), SourceWatch(Job(None, talker, np.copy, None, None))):
        watch.begin()
        watch.all_read()
        (watch._last or watch._all).result()
        asked, (says, state) = talker.asked, (talker.says, talker.state)
        talker.says, talker.state = "2", {"etag": "2"}  # and no pixel of that was read
        watch.require_same() if watch._all is None else watch.finish()
        assert talker.asked == asked
        talker.says, talker.state = says, state


def test_what_was_another_when_all_was_read_is_an_error(talker):
    talker.reads_at_once = 4
    watch = watching(talker)
    talker.says, talker.state = "2", {"etag": "2"}
    watch.all_read()
    with pytest.raises(SourceError, match=r"talker changed while it was read \(source.etag was 1 and is 2\)"):
        watch.finish()


def test_what_is_here_may_change_until_the_end(talker):
    watch = watching(talker)
    watch.all_read()
    talker.state = {"etag": "2"}
    with pytest.raises(SourceError, match="talker changed while it was read"):
        watch.finish()


def test_a_server_that_is_silent_at_the_end_is_asked_again_and_then_an_error(talker):
    watch = watching(talker)
    talker.state = {"unknown": "its server answered 503"}
    watch._held = ["a"]
    with pytest.raises(
        SourceError, match="whether talker has changed while it was read cannot be known: its server"
    ):
        watch.finish()
    talker.state = {"etag": "1"}
    assert watch.finish() == ["a"]


def test_what_was_unknown_at_the_beginning_is_no_change_at_the_end(talker):
    talker.state, talker.says = {"unknown": "its server answered 503"}, None
    watch = watching(talker)
    talker.state, talker.says = {"etag": "1"}, "1"
    assert watch.passed("a") == ["a"]
    assert watch.finish() == []


def test_a_source_that_cannot_be_opened_any_more_is_said_to_have_changed(talker):
    watch = watching(talker)
    talker.says, talker.state = "2", SourceError("cannot open talker")
    with pytest.raises(SourceError, match=r"talker changed while it was read \(cannot open talker\)"):
        watch.passed("a")


def test_a_change_that_was_undone_is_one(talker):
    watch = watching(talker)
    talker.says = "2"
    with pytest.raises(SourceError, match="its files were replaced, or changed and changed back"):
        watch.require_same()


def test_what_is_kept_of_a_run_that_ends_early(talker):
    watch = watching(talker)
    watch._held = ["a"]
    assert watch.leave() == (True, ["a"])
    watch._held = ["b"]
    talker.says, talker.state = "2", {"etag": "2"}
    assert watch.leave() == (True, [])  # rows that were written down had been looked after
    talker.says = "1"
    assert watch.leave() == (False, [])  # nobody noticed
    talker.state = SourceError("cannot open")
    assert watch.leave() == (True, [])


class TestGlance:
    def test_another_version_is_found_once(self, tmp_path, monkeypatch):
        monkeypatch.setattr(source_watch, "PATIENCE", 0)
        path = write_geotiff(tmp_path / "a.tif", IMAGE)
        glance = Glance(RasterioSource(str(path)))
        assert [glance.finds_another() for _ in range(3)] == [True, False, False]
        os.utime(path, ns=(0, 7))
        assert [glance.finds_another() for _ in range(2)] == [True, False]

    def test_it_is_not_asked_all_the_time_and_no_answer_is_no_change(self, monkeypatch):
        class Source:
            calls, answer = 0, "one"

            def version(self):
                self.calls += 1
                if self.answer is None:
                    raise SourceError("no answer")
                return self.answer

        source = Source()
        monkeypatch.setattr(source_watch, "PATIENCE", 10**12)
        glance = Glance(source)
        assert [glance.finds_another() for _ in range(5)] == [True] + [False] * 4
        assert source.calls == 1
        monkeypatch.setattr(source_watch, "PATIENCE", 0)
        glance = Glance(source)
        assert glance.finds_another()
        source.answer = None
        assert not glance.finds_another()
        source.answer = "two"
        assert glance.finds_another()
