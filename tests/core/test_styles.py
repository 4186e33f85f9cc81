from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.metadata import BandMetadata, Metadata
from geopatcher.core.palette import PALETTE
from geopatcher.core.styles import Style, band_of, declared, styled


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"range": (1, 1)}, "the range of a style is"),
        ({"range": (0, float("inf"))}, "the range of a style is"),
        ({"classes": {1: ("a", "red")}}, r"is 'red': give it as #rrggbb"),
        ({"classes": {1.5: "a"}}, "class 'a' has the value 1.5: it must be a whole number"),
        ({"classes": {"1": "a"}}, "class 'a' has the value '1': it must be a whole number"),
        ({"classes": {True: "a"}}, "class 'a' has the value True"),
        ({"classes": {2**53: "a"}}, r"it must be below 2\*\*53"),
        ({"classes": {1: ""}}, "the class of value 1 has the name '': give it a text"),
        ({"classes": {1: (" ", "#ffffff")}}, "the class of value 1 has the name ' ': give it a text"),
        ({"classes": {1: "a\x00b"}}, "leave out its control characters"),
        ({"classes": {1: "a\nb"}}, "leave out its control characters"),
        ({"classes": {1: 7}}, "the class of value 1 is 7: give its name"),
        ({"classes": {1: None}}, "the class of value 1 is None: give its name"),
        ({"classes": {1: "a"}, "ramp": "magma"}, "classes, or a range and a ramp"),
        ({"classes": {1: "a"}, "range": (0, 1)}, "classes, or a range and a ramp"),
    ],
)
def test_a_style_that_cannot_be_is_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        Style(**keywords)


def test_what_a_band_says_beside_its_style_stays():
    said = Metadata((BandMetadata(0.1, 2.0, tags=(("ACQUIRED", "2024-05-01"), ("display_ramp", "grey"))),))
    (band,) = styled(said, Style(range=(0, 1)), 1).bands
    assert (band.scale, band.offset) == (0.1, 2.0)
    assert dict(band.tags) == {"ACQUIRED": "2024-05-01", "display_range": "0.0 1.0"}


def test_every_band_of_a_result_has_the_style():
    said = styled(Metadata(), Style(ramp="magma"), 3)
    assert styled(said, None, 3) is said
    assert [declared(said, band).ramp for band in range(4)] == ["magma", "magma", "magma", ""]


def test_classes_with_a_color_each_are_a_palette():
    band = band_of(Style(classes={2: ("b", "#0A0b0C"), 1: ("a", "#ffffff")}))
    assert band.color == "palette"
    assert band.colormap == ((1, (255, 255, 255, 255)), (2, (10, 11, 12, 255)))


def test_where_some_classes_have_a_color_none_is_left_black():
    band = band_of(Style(classes={2: ("b", "#0A0b0C"), 1: "a"}))
    assert band.color == "palette"
    assert dict(band.colormap) == {1: (*PALETTE[1], 255), 2: (10, 11, 12, 255)}
    assert band_of(Style(classes={2: "b", 1: "a"})).colormap == ()


@pytest.mark.parametrize("tag", ["", "1", "a b", "2 1", "nan 1", "1 2 3"])
def test_a_tag_that_anybody_wrote_wrongly_is_no_range(tag):
    said = Metadata((BandMetadata(tags=(("display_range", tag), ("display_ramp", "magma"))),))
    assert declared(said, 0) == Style(ramp="magma")


def test_one_style_is_told_in_one_way():
    one, other = (Style(classes=dict(items)) for items in (((1, "a"), (2, "b")), ((2, "b"), (1, "a"))))
    assert str(one) == str(other)


def test_values_of_classes_are_integers_of_python_whatever_counted_them():
    classes = dict.fromkeys(np.array([3, 200], "uint8"), "a")
    assert [type(value) for value in Style(classes=classes).classes] == [int, int]
    assert band_of(Style(classes=classes)).classes == ((3, "a"), (200, "a"))
