from __future__ import annotations

import json
import math

import numpy as np
import pytest

from geopatcher.core.json_values import (
    dtype_from_json,
    list_from_json,
    number_from_json,
    number_to_json,
    required_number,
    text_from_json,
    whole_from_json,
)


@pytest.mark.parametrize("value", [0, -3, 0.1, None, math.inf, -math.inf, 2**60])
def test_numbers_come_back(value):
    assert number_from_json(json.loads(json.dumps(number_to_json(value), allow_nan=False))) == value


def test_nan_comes_back_and_rubbish_is_no_number():
    assert math.isnan(number_from_json(number_to_json(math.nan)))
    for wrong in (True, [1], "many"):
        with pytest.raises(ValueError, match=r"is not a number|could not convert"):
            number_from_json(wrong)


@pytest.mark.parametrize("value", [True, 3.0, -1, "3", None, [3]])
def test_what_is_no_whole_number(value):
    assert whole_from_json(3, 3) == 3
    with pytest.raises(ValueError, match="is not a whole number of 0 or more"):
        whole_from_json(value)


@pytest.mark.parametrize("text", ["object", "O", "<U3", "<M8", "f4,f4", "(3,)f4", "<f3", "", 4, None])
def test_only_plain_numbers_are_the_dtype_of_a_raster(text):
    assert dtype_from_json(">u2") == np.dtype(">u2")
    with pytest.raises(ValueError, match=r"is not the dtype of a raster|is not a dtype"):
        dtype_from_json(text)


def test_what_is_required_is_there_and_of_its_kind():
    assert (required_number("inf"), list_from_json([1]), list_from_json((2,)), text_from_json("a")) == (
        *(math.inf, [1], (2,), "a"),
    )
    for take, wrong, why in (
        (required_number, None, "a number is missing"),
        (list_from_json, "abc", "'abc' is not a list"),
        (list_from_json, {"a": 1}, "is not a list"),
        (text_from_json, 3, "3 is not a text"),
    ):
        with pytest.raises(ValueError, match=why):
            take(wrong)
