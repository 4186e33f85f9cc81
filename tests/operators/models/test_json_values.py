"""Values of JSON, and what is refused in their place."""

from __future__ import annotations

import pytest

from geopatcher.operators.models import json_values as values


def test_what_is_right_is_returned():
    assert values.object_of({"a": 1}, "it") == {"a": 1}
    assert values.list_of(None, "it") == []
    assert values.texts_of(["a", 1], "it") == ("a", "1")
    assert values.texts_of(None, "it") is None
    assert values.text_of(None, "it") is None
    assert values.number_of(2.5, "it") == 2.5
    assert values.whole_of(None, "it", 3) == 3
    values.check_keys({"a": 1}, ("a", "b"), "")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: values.object_of([], "it"), r"it is \[\]: it must be an object"),
        (lambda: values.list_of("a", "it"), "it is 'a': it must be a list"),
        (lambda: values.text_of(1, "it"), "it is 1: it must be a text"),
        (lambda: values.number_of(True, "it"), "it is True: it must be a number"),
        (lambda: values.whole_of(1.5, "it", 0), "it is 1.5: it must be a whole number"),
        (
            lambda: values.check_keys({"margn": 1}, ("margin",), " here"),
            "'margn' here: is 'margin' meant",
        ),
    ],
)
def test_what_is_wrong_is_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()
