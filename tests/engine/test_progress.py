"""Progress: what is counted, and when a bar is drawn."""

from __future__ import annotations

import io

import numpy as np
import pytest

import geopatcher
from geopatcher.engine.progress import no_progress, reporting, wants_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("batch_size", "calls"), [(1, 49), (4, 13)])
def test_every_patch_is_reported_once(batch_size, calls):
    heard = []
    image = np.ones((2, 128, 128), "float32")
    result = geopatcher.reconstruct(
        image, lambda patch: patch, size=32, batch_size=batch_size, progress=heard.append
    )
    assert sum(heard) == result.stats.patches == result.plan.n_patches == 49
    assert len([n for n in heard if n]) == calls  # batches reach across rows of patches


def test_empty_patches_are_reported_too():
    image = np.ones((1, 128, 128), "float32")
    image[:, 64:] = np.nan
    heard = []
    result = geopatcher.reconstruct(
        image, lambda patch: patch, size=32, step=32, skip_empty=True, progress=heard.append
    )
    assert result.stats.skipped == 8
    assert sum(heard) == 16


def test_patches_computed_in_two_regions_count_twice_in_total_and_done(monkeypatch):
    totals, heard = [], []
    real = geopatcher.api.reconstruct.reporting

    def listening(progress, total):
        totals.append(total)
        return real(progress, total)

    monkeypatch.setattr("geopatcher.api.reconstruct.reporting", listening)
    image = np.ones((1, 256, 4096), "float32")
    result = geopatcher.reconstruct(
        image, lambda patch: patch, size=128, chunks=128, memory_limit="54MiB", progress=heard.append
    )
    assert result.plan.n_regions > 1
    assert totals == [sum(heard)]
    assert sum(heard) > result.plan.n_patches


def test_by_default_a_bar_is_drawn_on_a_terminal_only():
    assert wants_bar(None, Terminal())
    assert not wants_bar(None, io.StringIO())
    assert not wants_bar(None, None)
    assert wants_bar(True, io.StringIO())
    assert not wants_bar(False, Terminal())


def test_without_a_terminal_nothing_is_written(capsys):
    with reporting(False, total=3) as advance:
        assert advance is no_progress
    with reporting(None, total=3) as advance:
        advance(3)
        advance(3)
    assert capsys.readouterr() == ("", "")


def test_a_bar_says_how_many_how_fast_and_how_long(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with reporting(None, total=1500) as advance:
        for _ in range(15):
            advance(100)
    drawn = screen.getvalue()
    assert "1,500/1,500 patches" in drawn
    assert "100%" in drawn
    assert "/s" in drawn
    assert "left" in drawn


def test_an_error_passes_through_the_bar(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    with pytest.raises(KeyError, match="inside"), reporting(True, total=5):
        raise KeyError("inside")


def test_without_a_terminal_a_line_a_minute_is_logged(monkeypatch, caplog):
    caplog.set_level("INFO", "geopatcher.progress")
    with reporting(None, total=1000) as advance:
        advance(100)
    assert not caplog.records
    monkeypatch.setattr("geopatcher.engine.progress.LINE_S", 0.0)
    with reporting(None, total=1000, what="blocks") as advance:
        advance(100)
        advance(400)
    one, other = (record.getMessage() for record in caplog.records)
    assert one.startswith("100 of 1,000 blocks, 10 %, ")
    assert other.startswith("500 of 1,000 blocks, 50 %, ")
    assert other.endswith(" min left")
