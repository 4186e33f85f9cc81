"""What becomes of the result of a network."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from geopatcher.errors import OperatorError
from geopatcher.operators.models.outputs import activated, bands_first, blanked, border_of, with_classes
from geopatcher.operators.models.record import CHANNELS_LAST, classes_of

TWO = classes_of(["land", "water"])


@pytest.mark.parametrize(
    ("shape", "order", "wanted"),
    [
        ((2, 3, 4, 5), None, (2, 3, 4, 5)),
        ((2, 4, 5, 3), CHANNELS_LAST, (2, 3, 4, 5)),
        ((2, 4, 5), None, (2, 1, 4, 5)),
        ((2, 7), None, (2, 7, 1, 1)),
    ],
)
def test_bands_come_first(shape, order, wanted):
    assert bands_first(np.zeros(shape), 2, order, "net").shape == wanted


@pytest.mark.parametrize("made", [np.zeros((3, 4, 5)), np.zeros(2), np.zeros((2, 4, 5), "U1")])
def test_what_is_no_result_is_refused(made):
    with pytest.raises(OperatorError, match=r"net returned .* for 2 patch\(es\): it must return \(n, bands"):
        bands_first(made, 2, None, "net")


def test_activations_are_their_formulas_and_do_not_overflow():
    scores = np.array([-1e4, -2, 0, 3, 1e4]).reshape(1, 5, 1, 1)
    with np.errstate(over="raise"):
        soft, sigmoid = activated(scores, "softmax"), activated(scores, "sigmoid")
    small = scores[0, 1:4, 0, 0]
    np.testing.assert_allclose(sigmoid[0, 1:4, 0, 0], 1 / (1 + np.exp(-small)), rtol=1e-5)
    assert sigmoid.ravel()[[0, 4]].tolist() == [0, 1]
    assert soft.ravel().tolist() == [0, 0, 0, 0, 1]
    assert soft.dtype == sigmoid.dtype == np.float32


def test_one_probability_becomes_two_classes():
    made = with_classes(np.zeros((1, 1, 2, 2)) + 3, "sigmoid", TWO, "net")
    np.testing.assert_allclose(made.sum(axis=1), 1)
    np.testing.assert_allclose(made[0, 1], 1 / (1 + np.exp(-3)), rtol=1e-6)


def test_labels_become_votes():
    labels = np.array([[[[0, 1], [1, 0]]]])
    assert with_classes(labels, None, TWO, "net").tolist() == [[[[1, 0], [0, 1]], [[0, 1], [1, 0]]]]


def test_a_label_of_no_class_is_none_of_them():
    labels = np.array([[[[0, 1], [9, 7]]]])
    with pytest.raises(
        OperatorError, match=r"returned the label 7, and the classes are 0 land, 1 water: give"
    ):
        with_classes(labels, None, TWO, "net")


def test_other_numbers_of_classes_are_refused():
    with pytest.raises(OperatorError, match=r"returned 3 band\(s\) for 2 classes \(land, water\)"):
        with_classes(np.zeros((1, 3, 2, 2)), None, TWO, "net")


def test_the_border_is_what_is_missing_at_each_edge():
    assert border_of((508, 252), (512, 256), Fraction(1), "net") == 2
    assert border_of((16, 16), (256, 256), Fraction(1, 16), "net") == 0


@pytest.mark.parametrize(
    ("made", "advice"),
    [((1024, 1024), "is it output_scale=2"), ((511, 511), "512x512, and output_scale is 1")],
)
def test_other_sizes_are_refused(made, advice):
    with pytest.raises(OperatorError, match=advice):
        border_of(made, (512, 512), Fraction(1), "net")


@pytest.mark.parametrize(
    ("scale", "side", "border", "gaps"),
    [
        (Fraction(1), 4, 0, [[0, 0], [0, 1], [1, 0], [1, 1], [3, 3]]),
        (Fraction(2), 8, 0, [[r, c] for r in range(4) for c in range(4)] + [[6, 6], [6, 7], [7, 6], [7, 7]]),
        (Fraction(1, 2), 2, 0, [[0, 0]]),
        (Fraction(1), 2, 1, [[0, 0]]),
    ],
)
def test_gaps_are_gaps_of_the_result(scale, side, border, gaps):
    missing = np.zeros((1, 4, 4), bool)
    missing[0, :2, :2] = missing[0, 3, 3] = True
    made = blanked(np.ones((1, 2, side, side), "float32"), missing, scale, border)
    assert np.argwhere(np.isnan(made[0, 1])).tolist() == sorted(gaps)
