"""What is refused before the first pixel."""

from __future__ import annotations

from fractions import Fraction

import pytest

from geopatcher.operators.models.checking import check_size, expected_outputs
from geopatcher.operators.models.protocol import Described
from geopatcher.operators.models.record import ModelRecord, classes_of


@pytest.mark.parametrize(
    ("record", "size", "message"),
    [
        (
            ModelRecord(multiple=32),
            (64, 70),
            "64x70 pixels: height and width must be multiples of 32, such as 64 or 96",
        ),
        (ModelRecord(multiple=32), (16, 16), "multiples of 32, such as 32"),
        (ModelRecord(output_scale=Fraction(1, 8)), (20, 24), "multiples of 8, such as 16 or 24"),
        (ModelRecord(size=(64, 64)), (64, 32), "takes 64x64 only"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_unless_pixels_stand_alone(record, size, message):
    with pytest.raises(ValueError, match=message):
        check_size(size, record, per_pixel=False)
    check_size(size, record, per_pixel=True)


@pytest.mark.parametrize(
    "record", [ModelRecord(multiple=16, size=(64, 32)), ModelRecord(), ModelRecord(output_scale=Fraction(4))]
)
def test_sizes_that_fit_are_not(record):
    check_size((64, 32), record, per_pixel=False)


@pytest.mark.parametrize(
    ("classes", "made", "wanted"),
    [((), None, None), ((), 5, 5), ("ab", None, 2), ("ab", 1, 2), ("abc", 1, 3)],
)
def test_bands_of_the_result_are_known(classes, made, wanted):
    assert (
        expected_outputs(ModelRecord(classes=classes_of(classes)), Described("x", "1", n_outputs=made))
        == wanted
    )


def test_classes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"returns 4 bands, and there are 2 classes \(a, b\)"):
        expected_outputs(ModelRecord(classes=classes_of("ab")), Described("x", "1", n_outputs=4))
