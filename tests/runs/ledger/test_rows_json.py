"""Rectangles, levels and failed patches of lines that others may have written."""

from __future__ import annotations

import pytest

from geopatcher.core.box import Box
from geopatcher.runs.ledger.rows_json import Flaw, box_from_json, flaws_from_json, level_from_json


def test_what_is_written_is_read():
    assert box_from_json([0, 32, 5, 70]) == Box(0, 32, 5, 70)
    assert level_from_json(3) == 3
    assert flaws_from_json([[-4, 7, "read", "no", 2]]) == (Flaw((-4, 7), "read", "no", 2),)


@pytest.mark.parametrize(
    "value", [None, 3, "x", [], [0, 1, 2], [0, 32, 0, True], [0, 32, 5, 5], [0, -1, 0, 1]]
)
def test_no_rectangle(value):
    with pytest.raises(ValueError, match=r"is not a (rectangle|whole number)"):
        box_from_json(value)


@pytest.mark.parametrize("value", [None, 0, -1, True, 1.0, "1", [1]])
def test_no_level(value):
    with pytest.raises(ValueError, match="is not a level"):
        level_from_json(value)


@pytest.mark.parametrize(
    "value", [None, 3, "x", {"a": 1}, [3], [[1, 2]], [[True, 2, "", "", 0]], [[1, 2, "", "", -1]]]
)
def test_no_failed_patches(value):
    with pytest.raises(ValueError, match="is not a"):
        flaws_from_json(value)
