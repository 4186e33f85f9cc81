"""What is known of all cells of a band."""

from __future__ import annotations

import pytest

from geopatcher.core.statistics import Statistics

FOUND = Statistics(-2, 8, 1.5, 0.5, 50.0, 7)


def test_they_are_told_as_the_quantities_that_values_stand_for():
    assert FOUND.scaled(0.5, 1.0) == Statistics(0.0, 5.0, 1.75, 0.25, 50.0, 7)


def test_a_scale_below_zero_turns_the_ends_around():
    turned = FOUND.scaled(-2.0, 0.0)
    assert (turned.minimum, turned.maximum, turned.deviation) == (-16.0, 4.0, 1.0)
    assert turned.scaled(-0.5, 0.0).mean == pytest.approx(1.5)
