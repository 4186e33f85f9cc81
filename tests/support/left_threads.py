"""Threads of ours that a test leaves over."""

from __future__ import annotations

import threading
import time

import pytest


def ours():
    """Threads of a run; those that fetch from servers are the process's, and keep their connections."""
    names = [thread.name for thread in threading.enumerate()]
    return [n for n in names if n.startswith("geopatcher") and not n.startswith("geopatcher-fetch")]


def left_in_the_end():
    """Threads that do not end by themselves, such as those that see workers of the test before off."""
    deadline = time.monotonic() + 10
    while ours() and time.monotonic() < deadline:
        time.sleep(0.01)
    return ours()


@pytest.fixture(autouse=True)
def no_thread_is_left():
    assert left_in_the_end() == []
    yield
    assert left_in_the_end() == []
