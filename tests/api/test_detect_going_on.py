"""Runs of detections that were killed or failed: what goes on, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from detections import found, names_in, objects_in, raster
from geopatcher import Box
from geopatcher.errors import OperatorError, TargetExistsError
from objects import detect_one, truth_of
from places import ROOT

__all__ = ["raster"]  # a fixture


CHILD = """
import os, signal, sys
from pathlib import Path
import numpy as np
sys.path[:0] = [{support!r}]
import geopatcher
from objects import detect_one, scene

class Detector:
    def fingerprint(self):
        return "the same"
    def __call__(self, patch):
        calls = Path({folder!r}, "calls")
        with calls.open("ab") as file:
            file.write(b".")
        if calls.stat().st_size == {kill_at}:
            os.kill(os.getpid(), signal.SIGKILL)
        return detect_one(patch)

raster, out = scene(11, 150, 130, 60, 10, classes=3), Path({folder!r}, "o.fgb")
geopatcher.detect(raster, Detector(), out, size=32, step=16, progress=False)
"""


def test_a_run_that_was_killed_goes_on_to_the_same_file(raster, tmp_path):
    kill_at = 45

    def run(folder, kill_at):
        code = CHILD.format(support=str(ROOT / "tests" / "support"), folder=str(folder), kill_at=kill_at)
        return subprocess.run([sys.executable, "-c", code], check=False).returncode

    cut, whole = tmp_path / "cut", tmp_path / "whole"
    cut.mkdir()
    whole.mkdir()
    assert run(whole, 0) == 0
    assert run(cut, kill_at) == -9
    assert not (cut / "o.fgb").exists()
    (ledger,) = (cut / "o.fgb.partial").glob("run-*/ledger.jsonl")
    done = sum("row" in json.loads(line) for line in ledger.read_text().splitlines())
    assert 0 < done < 9
    assert run(cut, 0) == 0
    assert (cut / "o.fgb").read_bytes() == (whole / "o.fgb").read_bytes()
    assert (cut / "calls").stat().st_size == kill_at + 72 - 8 * done  # what was done is not done again
    assert names_in(cut) == ["calls", "o.fgb"]


def interrupted(raster, path, **options):
    """Leave a run behind that failed in its fourth row."""

    def failing(patch):
        raise ArithmeticError("told to fail")

    calls = []

    def detector(patch):
        calls.append(1)
        return failing(patch) if len(calls) > 30 else detect_one(patch)

    with pytest.raises(OperatorError, match="told to fail") as caught:
        found(raster, path, detector=Named(detector), **options)
    return caught.value


class Named:
    """A detector that says what it is."""

    def __init__(self, call, name="one"):
        self.call, self.name = call, name

    def fingerprint(self):
        return self.name

    def __call__(self, patch):
        return self.call(patch)


def test_a_run_that_failed_says_what_is_kept_and_goes_on(raster, tmp_path):
    error = interrupted(raster, tmp_path / "o.fgb")
    assert "3 rows of patches are kept: run the same again to go on with" in " ".join(error.__notes__)
    made = found(raster, tmp_path / "o.fgb", detector=Named(detect_one))
    assert made.stats.patches == 72 - 24
    assert "goes on where an earlier run stopped: 3 rows were done" in made.stats.notes
    assert objects_in(made.path) == truth_of(raster)


CHANGES = [
    ({"detector": Named(detect_one, "two")}, "operator"),
    ({"step": 8}, "plan.step was 16x16 and is 8x8"),
    ({"score": 0.6}, "detect.score was 0.25 and is 0.6"),
    ({"iou": 0.3}, "detect.iou was 0.5 and is 0.3"),
    ({"merge": "wbf"}, "detect.merge was nms and is wbf"),
    ({"region": Box(0, 40, 0, 40)}, "detect.region"),
]


@pytest.mark.parametrize(
    ("changed", "message"), CHANGES, ids=["model", "step", "score", "iou", "merge", "region"]
)
def test_another_run_is_refused(raster, tmp_path, changed, message):
    interrupted(raster, tmp_path / "o.fgb")
    with pytest.raises(TargetExistsError, match=message):
        found(raster, tmp_path / "o.fgb", **({"detector": Named(detect_one)} | changed))
    made = found(raster, tmp_path / "o.fgb", overwrite=True, **({"detector": Named(detect_one)} | changed))
    assert made.n > 0


def test_another_source_is_refused(raster, tmp_path):
    interrupted(raster, tmp_path / "o.fgb")
    other = raster.copy()
    other[0, 0, 0] += 1
    with pytest.raises(TargetExistsError, match="source"):
        found(other, tmp_path / "o.fgb", detector=Named(detect_one))
