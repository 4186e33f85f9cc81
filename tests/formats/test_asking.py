"""What many threads want to know at once is asked once; what comes up later is asked again."""

from __future__ import annotations

import threading
import time

import pytest

from geopatcher.formats import asking
from geopatcher.formats.asking import Answers


def test_threads_that_wait_for_an_answer_take_it():
    answers, asked, begun = Answers(), [], threading.Event()
    heard = []

    def ask():
        asked.append(threading.current_thread().name)
        begun.set()
        while waiting() < 7:  # all the others are at the door
            time.sleep(0.001)
        time.sleep(0.05)
        return "gone"

    def waiting():
        return sum(thread.is_alive() for thread in others)

    def work():
        begun.wait(30)
        heard.append(answers.of("a.tif", ask))

    others = [threading.Thread(target=work) for _ in range(7)]
    for thread in others:
        thread.start()
    assert answers.of("a.tif", ask) == "gone"
    for thread in others:
        thread.join()
    assert heard == ["gone"] * 7
    assert len(asked) <= 2  # one that came to the door behind the answer asks again


def test_a_later_question_and_another_file_are_asked():
    answers = Answers()
    assert answers.of("a.tif", lambda: "gone") == "gone"
    assert answers.of("a.tif", lambda: "there") == "there"
    assert answers.of("b.tif", lambda: "other") == "other"


def test_a_question_that_fails_leaves_no_answer(monkeypatch):
    monkeypatch.setattr(asking, "MAX_KEPT", 2)
    answers = Answers()

    def fails():
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        answers.of("a.tif", fails)
    for name in "abc":
        assert answers.of(name, lambda name=name: name) == name
