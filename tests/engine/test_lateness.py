from __future__ import annotations

import pytest

from geopatcher.engine.error_policy import Failure
from geopatcher.engine.lateness import Late, too_late


@pytest.mark.parametrize(
    ("seconds", "place", "words"),
    [
        (
            0.5,
            "predict (model.py, line 8)",
            "it took longer than 0.5 s, and was in predict (model.py, line 8)",
        ),
        (3600.0, "", "it took longer than 3600 s"),
    ],
)
def test_what_is_said_of_a_call_that_took_too_long(seconds, place, words):
    error = too_late(seconds, place)
    assert isinstance(error, TimeoutError)
    assert str(error) == words


def test_there_is_something_to_heed_where_patches_were_late():
    assert not Late()
    assert Late(frozenset({(0, 0)}))
    assert Late(given_up={(0, 0): Failure(too_late(1, ""), 2)})
