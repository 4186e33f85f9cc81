"""Who waits while GDAL is made to forget the tiles it could not open."""

from __future__ import annotations

import threading

from geopatcher.formats.gdal_messages import FAILURES
from geopatcher.formats.turns import Turns


def test_nothing_is_forgotten_as_long_as_nothing_failed():
    calls = []
    turns = Turns(lambda: calls.append(1))
    with turns.turn(), turns.turn():
        pass
    assert calls == []


def test_after_a_failure_the_next_reader_waits_for_all_others_and_has_it_forgotten_once():
    said = []
    turns = Turns(lambda: said.append("forgotten"))
    began, go_on = threading.Event(), threading.Event()

    def read_long():
        with turns.turn():
            began.set()
            go_on.wait(10)
            with turns.turn():  # one that reads already never waits for itself
                said.append("inner")
        said.append("done")

    def read_later():
        with turns.turn():
            said.append("later")

    first = threading.Thread(target=read_long)
    first.start()
    assert began.wait(10)
    FAILURES.add()
    assert turns.failures == FAILURES.count
    second = threading.Thread(target=read_later)
    second.start()
    second.join(0.2)
    assert second.is_alive()
    assert said == []
    go_on.set()
    first.join(10)
    second.join(10)
    assert said.index("inner") < said.index("forgotten") < said.index("later")
    assert said.count("forgotten") == 1
    with turns.turn():
        assert said.count("forgotten") == 1


def test_a_failure_while_it_is_forgotten_has_it_forgotten_again():
    calls = []

    def forget():
        calls.append(1)
        if len(calls) == 1:
            FAILURES.add()

    turns = Turns(forget)
    FAILURES.add()
    for _ in range(3):
        with turns.turn():
            pass
    assert len(calls) == 2
