from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.fields.custom_identity import SAMPLED, identity_of_custom, sampled_rows

ROWS = [np.arange(5.0), np.ones(5)]


class Says:
    def fingerprint(self):
        return "version 3"


class Tells:
    def identity(self):
        return {"path": "a", "size": 9}


class Holds:
    def __init__(self, cells, scale=1):
        self.cells, self.scale = cells, scale


class Reads:
    path = "somewhere"


def test_what_it_says_of_itself_counts():
    assert identity_of_custom(Says(), (4, 5), ROWS) == {"fingerprint": "version 3"}
    assert identity_of_custom(Tells(), (4, 5), ROWS) == {"path": "a", "size": 9}


def test_one_that_holds_its_cells_is_known_by_all_it_holds():
    def state(thing):
        found = identity_of_custom(thing, (4, 5), ROWS)
        assert set(found) == {"state"}
        return found["state"]

    one = np.zeros((4, 5))
    other = one.copy()
    other[3, 4] = 1
    assert state(Holds(one)) == state(Holds(one.copy()))
    assert len({state(Holds(one)), state(Holds(other)), state(Holds(one, 2))}) == 3


@pytest.mark.parametrize("thing", [Reads(), Holds(np.zeros(3))])
def test_of_any_other_some_rows_are_looked_at_and_that_is_not_all(thing):
    found = identity_of_custom(thing, (4, 5), ROWS)
    assert set(found) == {"rows", "unknown"}
    assert f"{type(thing).__name__} has no method fingerprint() or identity()" in found["unknown"]
    assert found["rows"] != identity_of_custom(thing, (4, 5), ROWS[::-1])["rows"]


@pytest.mark.parametrize(("height", "rows"), [(1, 1), (16, 16), (20, 20), (32, 16), (1000, 17)])
def test_rows_are_spread_over_the_grid(height, rows):
    found = list(sampled_rows(Box(10, 10 + height, 3, 8)))
    assert len(found) == rows <= 2 * SAMPLED
    assert found[0] == Box(10, 11, 3, 8)
    assert len({after.row0 - before.row0 for before, after in pairwise(found)}) <= 1
