"""Tracebacks of one screen."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.errors.short_traceback import MOST_FRAMES, short_traceback


def deep(n):
    return deep(n - 1) if n else 1 / 0


def error_of(operator):
    with pytest.raises(gp.OperatorError) as caught:
        gp.reconstruct(np.zeros((64, 64)), operator, size=64)
    return caught.value


def test_the_frames_of_people_are_there_and_ours_are_not():
    error = error_of(lambda patch: deep(0))
    lines = short_traceback(error)
    assert error._render_traceback_() == lines
    text = "\n".join(lines)
    assert "ZeroDivisionError: division by zero" in lines
    assert "in error_of" in text
    assert "reconstruct.py" not in text
    assert lines[-1].endswith("traceback.print_last() shows them")


def test_what_python_does_between_frames_of_ours_is_left_out():
    with pytest.raises(gp.MemoryLimitError) as caught:
        gp.plan(np.zeros((64, 64)), size=64, memory_limit="1MiB")
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert "functools.py" in {Path(frame.filename).name for frame in frames}  # of a cached property
    text = "\n".join(short_traceback(caught.value))
    assert text.count("  File ") == 1
    assert "functools" not in text
    theirs = "\n".join(short_traceback(error_of(lambda patch: json.loads("{"))))
    assert "in raw_decode" in theirs  # what an operator calls is its own


def test_of_a_deep_stack_the_ends_are_shown():
    text = "\n".join(short_traceback(error_of(lambda patch: deep(50))))
    assert "frames ..." in text
    assert text.count("in deep") <= MOST_FRAMES


def test_an_error_that_is_its_own_cause_ends():
    error = gp.GeopatcherError("round")
    error.__cause__ = error
    assert short_traceback(error)[-2:] == ["geopatcher.errors.GeopatcherError: round", ""]
