from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest

import geopatcher
import geopatcher as gp
from geopatcher.engine.stats import RunStats
from geopatcher.runs.json_log import RunLog


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_strip_tells_what_came_since_the_one_before(tmp_path):
    plan = gp.plan(np.zeros((64, 48)), size=16, step=16)
    first, second = list(plan.strips())[:2]
    stats = RunStats()
    log = RunLog(tmp_path / "log", stats)
    log.began("a.tif", "b.zarr", 12, (30, 40))
    stats.patches, stats.bytes_read, stats.failed = 3, 100, 1
    stats.spend("read", 0.25)
    log.strip_done(plan, first)
    stats.patches, stats.skipped, stats.bytes_read = 5, 1, 160
    stats.spend("read", 0.5)
    log.strip_done(plan, second)
    log.ended("complete")
    begin, one, two, end = read(tmp_path / "log")
    assert (begin["event"], begin["source"], begin["target"], begin["total"]) == (
        "begin",
        "a.tif",
        "b.zarr",
        12,
    )
    assert (one["rows"], one["columns"], two["rows"]) == ([0, 16], [0, 48], [16, 32])
    counts = ("patches", "empty", "failed", "bytes_read", "done", "total")
    assert [one[name] for name in counts] == [3, 0, 1, 100, 3, 12]
    assert [two[name] for name in counts] == [2, 1, 0, 60, 6, 12]
    assert (one["seconds"]["read"], two["seconds"]["read"]) == (0.25, 0.5)
    assert (end["event"], end["outcome"], end["patches"], end["bytes_read"]) == ("end", "complete", 5, 160)
    assert dt.datetime.fromisoformat(begin["time"]).utcoffset() == dt.timedelta(0)
    assert one["rss_bytes"] > 1 << 20


def test_a_log_is_added_to(tmp_path):
    path = tmp_path / "log"
    path.write_text('{"event": "earlier"}\n')
    RunLog(path, RunStats()).ended("KeyboardInterrupt")
    assert [line["event"] for line in read(path)] == ["earlier", "end"]


IMAGE = np.random.default_rng(2).random((2, 80, 64), dtype="float32")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_log_has_a_line_per_strip_whose_numbers_add_up(tmp_path):
    log = tmp_path / "a log.jsonl"
    result = geopatcher.reconstruct(
        IMAGE, lambda x: x, tmp_path / "x.zarr", size=16, step=8, chunks=32, log_json=log
    )
    begin, *strips, end = lines(log)
    assert (begin["event"], begin["total"]) == ("begin", result.plan.n_patches)
    assert begin["target"].endswith("x.zarr")
    assert [strip["rows"] for strip in strips] == [[row, row + 16] for row in range(0, 65, 8)]
    assert sum(strip["patches"] for strip in strips) == result.plan.n_patches
    assert strips[-1]["done"] == strips[-1]["total"] == result.plan.n_patches
    assert sum(strip["bytes_read"] for strip in strips) == IMAGE.nbytes
    assert all(strip["rss_bytes"] > 1 << 20 for strip in strips)
    assert set(strips[0]["seconds"]) == {"read", "operate", "accumulate", "finalise", "write"}
    assert (end["event"], end["outcome"], end["patches"]) == ("end", "complete", result.plan.n_patches)
    assert end["bytes_written"] == IMAGE.nbytes


def test_the_log_goes_on_and_says_how_a_run_ended(tmp_path):
    log = tmp_path / "log.jsonl"

    def operator(patch):
        raise ArithmeticError("bad")

    for _ in range(2):
        with pytest.raises(geopatcher.OperatorError):
            geopatcher.reconstruct(IMAGE, operator, size=16, log_json=log)
    assert [line["event"] for line in lines(log)] == ["begin", "end"] * 2
    assert lines(log)[-1]["outcome"] == "OperatorError"


def test_a_log_that_cannot_be_written_is_a_warning(tmp_path):
    with pytest.warns(RuntimeWarning, match=r"cannot write the log .*no folder.*; the run goes on") as caught:
        result = geopatcher.reconstruct(
            IMAGE, lambda x: x, size=16, log_json=tmp_path / "no folder" / "log.jsonl"
        )
    assert len(caught) == 1
    assert np.allclose(result.array, IMAGE)
