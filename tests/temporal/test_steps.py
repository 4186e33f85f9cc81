"""Numbers of steps as a lazy sequence."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.temporal.steps import Steps


@pytest.mark.parametrize("kept", [range(0, 10, 3), np.array([0, 3, 6, 9])])
def test_steps_are_a_sequence_equal_to_a_list(kept):
    steps = Steps(kept)
    assert (len(steps), steps[0], steps[-1], list(steps), list(steps)) == (
        4,
        0,
        9,
        [0, 3, 6, 9],
        [0, 3, 6, 9],
    )
    assert steps == [0, 3, 6, 9]
    assert steps == (0, 3, 6, 9)
    assert steps == Steps(range(0, 10, 3))
    assert steps != [0, 3, 6]
    assert steps != [0, 3, 6, 8]
    assert steps != "0369"
    assert steps != 4
    assert steps[1:3] == [3, 6]
    assert all(type(step) is int for step in [*steps, steps[1]])
    assert (3 in steps, 4 in steps, steps.index(6), steps.count(9)) == (True, False, 2, 1)
    assert np.asarray(steps).tolist() == [0, 3, 6, 9]
    with pytest.raises(IndexError):
        steps[4]


def test_a_long_one_takes_no_memory_and_shows_its_beginning():
    steps = Steps(range(10**12))
    assert len(steps) == 10**12
    assert repr(steps) == "Steps(0, 1, 2, 3, 4, 5, ...)"
