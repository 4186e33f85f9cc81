"""A page that follows a run."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.engine.previews import Preview
from geopatcher.report.live import MOST_LINES, PAGES, Followed, watched


def lines(followed, start=0):
    answer = followed.answer(f"/lines?from={start}")
    assert answer.status == 200
    told = json.loads(answer.content)
    return told["lines"], told["next"]


def test_the_lines_of_a_run_come_as_they_are_written(tmp_path):
    log = tmp_path / "run.jsonl"
    followed = Followed(log)
    assert lines(followed) == ([], 0)
    log.write_bytes(b'{"event": "begin"}\n{"event": "str')
    found, place = lines(followed)
    assert (found, place) == ([{"event": "begin"}], 19)
    with log.open("ab") as file:
        file.write(b'ip"}\n')
    assert lines(followed, place)[0] == [{"event": "strip"}]
    assert lines(followed)[0] == [{"event": "begin"}, {"event": "strip"}]


def test_what_earlier_runs_wrote_is_not_shown(tmp_path):
    log = tmp_path / "run.jsonl"
    log.write_text('{"event": "end"}\n')
    with watched(log) as (viewer, path, _):
        assert path == log
        with log.open("a") as file:
            file.write('{"event": "begin"}\n')
        assert lines(viewer.session)[0] == [{"event": "begin"}]


def test_a_long_log_is_told_in_parts(tmp_path):
    log = tmp_path / "run.jsonl"
    log.write_text("".join(f'{{"n": {n}}}\n' for n in range(MOST_LINES + 3)))
    first, place = lines(Followed(log))
    rest, _ = lines(Followed(log), place)
    assert [line["n"] for line in first + rest] == list(range(MOST_LINES + 3))


@pytest.mark.parametrize("target", ["/lines?from=-1", "/lines?from=a", "/lines?from=٣", "/run.jsonl", "/.."])
def test_nothing_else_is_answered(tmp_path, target):
    assert Followed(tmp_path / "run.jsonl").answer(target).status == 404


def test_its_pages_are_there_and_name_nothing_outside(tmp_path):
    followed = Followed(tmp_path / "run.jsonl")
    for address in PAGES:
        answer = followed.answer(address)
        assert answer.status == 200
        assert b"https://" not in answer.content


@pytest.mark.timeout(60)
def test_a_page_that_is_open_hears_the_end_and_nobody_waits_for_one_that_is_not(tmp_path):
    Followed(tmp_path / "none.jsonl").last_look(3600)  # no page was open
    log = tmp_path / "run.jsonl"
    heard = []
    with watched(log) as (viewer, _, _):
        lines(viewer.session)
        log.write_text('{"event": "end"}\n')

        def page():
            place, found = 0, None
            while found is None or found:
                found, place = lines(viewer.session, place)
                heard.extend(found)

        later = threading.Timer(0.2, page)
        later.start()
    later.join()
    assert heard == [{"event": "end"}]


def test_a_run_is_followed_from_its_begin_to_its_end(tmp_path):
    with watched(None) as (viewer, log, _):
        gp.reconstruct(np.zeros((90, 120), "float32"), np.copy, tmp_path / "a.zarr", size=32, log_json=log)
        found, _ = lines(viewer.session)
        assert found[0]["raster"] == [90, 120]
        assert found[-1]["outcome"] == "complete"
        assert found[-2]["done"] == found[0]["total"]
        viewer.session.last_look(0)


def test_a_page_that_is_open_is_given_the_last_picture_before_the_end(tmp_path):
    followed = Followed(tmp_path / "run.jsonl")
    followed.picture.on_block_done(Preview(Box(0, 2, 0, 4), np.ones((1, 2, 4), np.float32), 1, (2, 4)))
    followed.answer("/lines?from=0")
    ends = threading.Thread(target=followed.last_look, args=(10,))
    ends.start()
    for asked, waits in (("/lines?from=0", True), ("/picture?n=1", True), ("/lines?from=0", False)):
        followed.answer(asked)
        ends.join(0.3)
        assert ends.is_alive() is waits
