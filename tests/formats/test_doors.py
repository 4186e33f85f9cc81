"""Who opens a file waits for those who read of it, and goes before those who want to."""

from __future__ import annotations

import threading
import time

import pytest

from geopatcher.formats.doors import Doors

pytestmark = pytest.mark.timeout(60)


def started(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_it_is_opened_while_nobody_reads_and_before_who_wants_to():
    doors, said, first, end = Doors(), [], threading.Event(), threading.Event()

    def reads():
        with doors.reading("a"):
            first.set()
            end.wait(30)
            said.append("read")

    def opens():
        with doors.opening("a"):
            said.append("opened")

    def reads_later():
        with doors.reading("a"):
            said.append("read later")

    threads = [started(reads)]
    first.wait(30)
    threads.append(started(opens))
    while not doors._wanting["a"]:
        time.sleep(0.001)
    threads.append(started(reads_later))
    with doors.opening("b"), doors.reading("c"):  # others are not concerned
        time.sleep(0.05)
    assert said == []
    end.set()
    for thread in threads:
        thread.join(30)
    assert said == ["read", "opened", "read later"]


def test_two_that_read_may_both_open():
    doors, inside = Doors(), threading.Barrier(2, timeout=30)
    opened = []

    def work():
        with doors.reading("a"):
            inside.wait()
            with doors.opening("a"):
                opened.append(threading.active_count())
            with doors.reading("a"):
                pass

    threads = [started(work), started(work)]
    for thread in threads:
        thread.join(30)
    assert len(opened) == 2
    assert not doors._readers
    assert not doors._wanting
    assert not doors._busy


def test_readers_do_not_wait_for_each_other_and_nothing_is_left_behind():
    doors, together = Doors(), threading.Barrier(4, timeout=30)

    def work():
        with doors.reading("a"):
            together.wait()
        with pytest.raises(OSError, match="no"), doors.opening("a"):
            raise OSError("no")

    threads = [started(work) for _ in range(4)]
    for thread in threads:
        thread.join(30)
    assert not doors._readers
    assert not doors._wanting
    assert not doors._busy


def test_who_opens_it_may_open_it_again_and_read_of_it():
    doors = Doors()
    with doors.opening("a"), doors.reading("a"), doors.opening("a"):
        assert doors._busy == {"a"}
        assert not doors._readers
    assert not doors._busy
    assert not doors._wanting
    with doors.reading("a"):
        assert doors._readers == {"a": 1}
