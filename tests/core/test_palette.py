from __future__ import annotations

from geopatcher.core.palette import PALETTE, from_palette


def test_small_values_have_a_color_of_their_own_whatever_others_there_are():
    assert from_palette([3, 5])[5] == from_palette([0, 5])[5] == (*PALETTE[5], 255)


def test_large_values_have_colors_one_after_the_other_again_after_the_last():
    values = list(range(500, 501 + len(PALETTE)))
    found = from_palette(values)
    assert [found[value][:3] for value in values] == [*PALETTE, PALETTE[0]]
