"""Classes of a raster for pictures."""

from __future__ import annotations

import numpy as np

from geopatcher.core.metadata import BandMetadata, ClassLabel, Metadata, of_classes
from geopatcher.core.palette import PALETTE
from geopatcher.inspect.classes import classes_shown, css_colors, painted

LABELS = (ClassLabel(3, "open_water", (0, 80, 255, 255)), ClassLabel(1, "bare", (190, 160, 90, 255)))


def test_classes_are_listed_by_value_with_their_names_and_colors():
    shown = classes_shown(of_classes(LABELS), 0, np.array([[3.0, 3.0]]))
    assert shown == (LABELS[1], LABELS[0]._replace(name="open water"))
    assert css_colors(shown) == [("bare", "#bea05a"), ("open water", "#0050ff")]


def test_what_occurs_without_a_name_is_listed_by_its_number():
    said = Metadata((BandMetadata(classes=((3, "water"),)),))
    shown = classes_shown(said, 0, np.array([[20.0, np.nan, 3.0]]))
    assert [(one.value, one.name, one.color[:3]) for one in shown] == [
        (3, "water", PALETTE[0]),
        (20, "20", PALETTE[1]),
    ]


def test_of_many_classes_those_are_listed_that_occur():
    many = of_classes([ClassLabel(value, f"c{value}", (value, 0, 0, 255)) for value in range(60)])
    assert [one.value for one in classes_shown(many, 0, np.array([[50.0, 2.0]]))] == [2, 50]


def test_without_names_classes_are_called_by_their_numbers():
    known = Metadata((BandMetadata(colormap=((1, (1, 2, 3, 255)),)),))
    assert classes_shown(known, 0, np.array([[1.0, 0.0]])) == (
        ClassLabel(0, "0", (*PALETTE[0], 255)),
        ClassLabel(1, "1", (1, 2, 3, 255)),
    )
    assert classes_shown(Metadata(), 0, np.full((1, 1), np.nan)) == ()


def test_codes_beyond_the_palette_have_a_color_each():
    codes = np.arange(10.0, 110.0, 10.0)
    shown = classes_shown(Metadata(), 0, codes[np.newaxis])
    assert [one.name for one in shown] == [str(code) for code in range(10, 101, 10)]
    assert len({one.color for one in shown}) == 10


def test_cells_are_painted_in_the_colors_of_their_classes():
    cells = np.random.default_rng(0).choice([1.0, 3.0, 9.0, np.nan], (20, 30))
    picture = painted(cells, LABELS)
    for value, color in ((1, (190, 160, 90, 255)), (3, (0, 80, 255, 255))):
        np.testing.assert_array_equal((picture == color).all(axis=-1), cells == value)
    assert not picture[np.isnan(cells) | (cells == 9)].any()
