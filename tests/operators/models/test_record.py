"""Records: what they refuse."""

from __future__ import annotations

from fractions import Fraction

import pytest

from geopatcher.operators.models.record import ModelClass, ModelRecord, classes_of
from geopatcher.operators.models.scaling import Scaling

PER_BAND = ((Scaling("scale", value=2), Scaling("scale", value=3)),)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bands": ()}, "give names, or numbers"),
        ({"bands": ("B02", 3)}, "give names, or numbers"),
        ({"bands": (0, 1)}, "the first band has the number 1"),
        ({"bands": ("a", "b", "c"), "steps": PER_BAND}, "scaling is for 2 bands, and the model takes 3"),
        ({"activation": "relu"}, "activation is 'relu': give softmax, sigmoid, or None"),
        ({"multiple": 0}, "multiple is 0: give a whole number from 1"),
        ({"margin": 1.5}, "margin is 1.5"),
        ({"batch": 0}, "batch is 0"),
        ({"size": (0, 4)}, "size is"),
        ({"output_scale": Fraction(2, 3)}, "output_scale is 2/3: give a whole number, or 1 divided by one"),
        ({"output_scale": Fraction(-4)}, "output_scale is -4"),
        ({"dim_order": ("channel", "batch")}, "dim_order is channel, batch: give batch, channel, height"),
        (
            {"result_order": ("batch", "height", "width", "class")},
            "of the result is batch, height, width, cl",
        ),
        ({"nodata": float("nan")}, "nodata is nan: give a number that a float32 can be"),
        ({"nodata": 10**400}, "give a number that a float32 can be"),
        ({"sha256": "12"}, "64 hexadecimal digits"),
        ({"classes": classes_of(["land", "land"])}, "the same name more than once: land"),
        ({"classes": (ModelClass(1, "a"), ModelClass(1, "b"))}, "the same value more than once: 1"),
    ],
)
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        ModelRecord(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((-1, "water"), "must be 0, 1, 2"),
        ((1, ""), "give it a text"),
        ((1, "water", "blue"), "six hexadecimal digits"),
        ((2**53, "water"), r"must be below 2\*\*53"),
        ((1, "water\x1b[31m"), r"has the name 'water\\x1b\[31m': leave out its control characters"),
        ((1, "water\ud800"), "leave out its control characters"),
    ],
)
def test_classes_that_cannot_be_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        ModelClass(*fields)


def test_the_number_of_bands_follows_from_names_or_from_scaling():
    assert ModelRecord(bands=("a", "b")).n_bands == 2
    assert ModelRecord(steps=PER_BAND).n_bands == 2
    assert ModelRecord().n_bands is None
