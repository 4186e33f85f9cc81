"""What arithmetic over bands may hold, and what is said of the rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.operators.expression_parser import MAX_LENGTH, read_arithmetic
from geopatcher.operators.expression_steps import Call, Comparison, Number, choose, power


@pytest.mark.parametrize(
    ("text", "bands", "is_condition"),
    [
        ("b1", (1,), False),
        ("(b4-b3)/(b4+b3)", (3, 4), False),
        ("b12 + b2", (2, 12), False),
        ("b1 > 0.5", (1,), True),
        ("~(b1 > 0) | (b2 <= b3)", (1, 2, 3), True),
        ("(b1 > 0) + (b2 > 0)", (1, 2), False),
        ("where(b1 > 0, b2, -1)", (1, 2), False),
        ("where(b1 > 0, b2 > 1, b3 > 1)", (1, 2, 3), True),
        ("minimum(sqrt(b1), 2 ** 3)", (1,), False),
        ("b1\n  + b2", (1, 2), False),
    ],
)
def test_what_is_read(text, bands, is_condition):
    arithmetic = read_arithmetic(text)
    assert arithmetic.bands == bands
    assert arithmetic.is_condition is is_condition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "__import__('os').system('ls')",
            "\"__import__('os').system('ls')\" at position 1: it is not allowed",
        ),
        ("b1 + foo(b2)", "'foo(b2)' at position 6: there is no function foo"),
        ("b1.real", "'b1.real' at position 1: it is not allowed"),
        ("b1[0]", "'b1[0]' at position 1: it is not allowed"),
        ("b1 + x", "'x' at position 6: it is not known"),
        ("  b1 + x", "'x' at position 8: it is not known"),
        ("b1 + é", "'é' at position 6: it is not known"),
        ("b0 + 1", "'b0' at position 1: bands are counted from b1"),
        ("0 < b1 < 3", "write (b1 > 0) & (b1 < 9), with the parentheses"),
        ("b1 > 0 & b2 > 0", "with the parentheses"),
        ("b1 > 0 and b2 > 0", "write & for and, | for or"),
        ("not b1 > 0", "write ~ for not"),
        ("b1 ^ 2", "write ** for a power"),
        ("b1 if b2 > 0 else 0", "write where(condition, then, else)"),
        ("b1 % 2", "its operator is not allowed"),
        ("b1 & b2", "'b1' at position 1: a condition such as (b1 > 0) is needed here"),
        ("where(b1, 1, 2)", "'b1' at position 7: a condition"),
        ("sqrt(b1, b2)", "sqrt takes 1 argument(s), not 2"),
        ("minimum(b1)", "minimum takes 2 argument(s), not 1"),
        ("where(b1 > 0, 1)", "where takes 3 argument(s), not 2"),
        ("sqrt(x=b1)", "'sqrt(x=b1)' at position 1: it is not allowed"),
        ("minimum(*b1)", "minimum takes 2 argument(s), not 1"),
        ("b1 + 'a'", "\"'a'\" at position 6: it is not a number"),
        ("b1 + True", "'True' at position 6: it is not a number"),
        ("b1 + 1j", "'1j' at position 6: it is not a number"),
        ("b1 + 1 / 0", "'1 / 0' at position 6: it is not a finite number"),
        ("b1 + 1e999", "'1e999' at position 6: it is not a finite number"),
        ("b1 + 9 ** 9 ** 9 ** 9", "it is not a finite number"),
        ("b1 * sqrt(-1)", "'sqrt(-1)' at position 6: it is not a finite number"),
        ("b1 + (1 < 2)", "it compares two constants"),
        ("b1 in b2", "its comparison is not allowed"),
        ("1 + 2", "uses no band"),
        ("b1 +", "position"),
        ("", "position 1"),
        ("b1; b2", "position 3"),
        ("lambda: b1", "it is not allowed"),
        ("[b1 for b1 in b2]", "it is not allowed"),
    ],
)
def test_what_is_refused_is_named_with_its_place(text, message):
    with pytest.raises(ValueError, match="expression") as caught:
        read_arithmetic(text)
    assert message in str(caught.value)
    assert "allowed are bands b1, b2, ...; numbers; + - * / **" in str(caught.value)


def test_texts_too_long_or_too_deep_are_refused():
    with pytest.raises(ValueError, match="2,699 characters, more than 2,000: write an operator in Python"):
        read_arithmetic("+".join(["b1"] * 900))
    with pytest.raises(ValueError, match="nested too deeply"):
        read_arithmetic("-" * (MAX_LENGTH - 10) + "b1")
    with pytest.raises(ValueError, match="nested"):
        read_arithmetic("(" * 500 + "b1" + ")" * 500)


def test_messages_repeat_only_the_start_of_a_long_text():
    with pytest.raises(ValueError, match=r"\.\.\.") as caught:
        read_arithmetic("b1 + " * 300 + "x")
    assert len(str(caught.value)) < 600


def test_constants_are_computed_at_once():
    assert numbers("b1 * 2 ** 3 / 4") == [8, 4]
    assert numbers("b1 + (1 - 1 / 4)") == [0.75]
    assert numbers("b1 + exp(0)") == [1]


def numbers(text):
    return [step.value for step in read_arithmetic(text).steps if isinstance(step, Number)]


KNOWN = {
    *(np.add, np.subtract, np.multiply, np.divide, np.power, np.negative, np.sqrt, np.minimum),
    *(np.logical_and, np.logical_or, np.logical_not, choose, power),
    *map(Comparison, (np.less, np.greater, np.equal)),
}
WORDS = "b1 b2 b3 1 2.5 ( ) + - * / ** < > == & | ~ , where( sqrt( minimum( x . [ ] ; : = import lambda"


@given(st.lists(st.sampled_from(WORDS.split()), max_size=12).map(" ".join))
def test_any_text_is_read_or_refused_with_a_plain_error(text):
    try:
        arithmetic = read_arithmetic(text)
    except ValueError as error:
        assert "expression" in str(error)  # noqa: PT017 - most texts are wrong, none may raise otherwise
    else:
        called = {step.function for step in arithmetic.steps if isinstance(step, Call)}
        assert called <= KNOWN
