"""A call that begins before anybody wants its result."""

import os
import threading

import pytest

from geopatcher.core.begun import Begun


def test_it_runs_before_its_result_is_asked_for():
    ran = threading.Event()
    begun = Begun(lambda: ran.set() or 5)
    assert ran.wait(10)
    assert begun.result() == begun.result() == 5


def test_what_it_raised_is_raised_where_the_result_is_wanted():
    begun = Begun(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        begun.result()


def test_a_forked_child_knows_that_it_will_not_end_there():
    gate = threading.Event()
    begun = Begun(gate.wait)
    assert begun.is_here
    child = os.fork()
    if child == 0:
        os._exit(0 if not begun.is_here else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gate.set()
    assert begun.result() is True
