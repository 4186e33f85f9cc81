"""Bands by name."""

from __future__ import annotations

import pytest

from geopatcher.core.band_names import bands_called

NAMES = ("B02", "b02", "B04 red", "nir broad", "")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("B02", [0]),
        ("b02", [1]),
        ("b04", [2]),
        ("NIR", [3]),
        ("red", []),
        ("nir broad", [3]),
        ("B0", []),
        ("b11", []),
    ],
)
def test_a_name_is_all_of_it_or_its_first_word(name, found):
    assert bands_called(name, NAMES) == found


def test_a_name_of_several_bands_finds_them_all():
    assert bands_called("b", ("B one", "B two")) == [0, 1]
