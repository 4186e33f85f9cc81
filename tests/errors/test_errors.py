from __future__ import annotations

import pickle
import signal

import pytest
from tblib.pickling_support import pickle_exception

from geopatcher import errors
from geopatcher.errors import GeopatcherError, InterruptedRunError

OURS = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, GeopatcherError) and each is not GeopatcherError
]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_each_is_ours_and_what_python_has_for_it_and_pickles(kind):
    builtins = {"ValueError", "MemoryError", "OSError", "RuntimeError", "ImportError", "TypeError"}
    assert {base.__name__ for base in kind.__mro__} & builtins
    again = pickle.loads(pickle.dumps(kind("what to do")))  # noqa: S301 - our own bytes
    assert type(again) is kind
    assert str(again) == "what to do"


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_each_comes_back_from_a_dask_worker(kind):
    error = kind("what to do")
    error.kept = "2 rows"
    make, parts = pickle_exception(error)[:2]
    again = make(*parts)
    assert type(again) is kind
    assert (str(again), again.args) == ("what to do", ("what to do",))


def test_no_message_has_a_secret_in_it():
    error = errors.SourceError("cannot read https://user:hunter2@h/a.tif?sig=s3cr3t: gone")
    assert "hunter2" not in str(error)
    assert "s3cr3t" not in str(error)
    assert "gone" in str(error)


def test_an_interruption_is_no_error_that_a_loop_goes_on_after():
    error = InterruptedRunError("stopped", signal.SIGTERM)
    assert not isinstance(error, Exception)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(again), again.signal_number) == ("stopped", signal.SIGTERM)
    assert InterruptedRunError("stopped").signal_number == signal.SIGINT
