from __future__ import annotations

import numpy as np
import pytest

from geopatcher.identity.code import Facts, Import, Reference

LIMIT = 3


def facts(function):
    return Facts.of(function.__code__)


def test_names_and_the_attributes_that_are_taken_of_them():
    def operator(x):
        return np.linalg.norm(x) + min(x, LIMIT) + x.mean()

    assert set(facts(operator).references) == {
        Reference("np", ("linalg", "norm")),
        Reference("min"),
        Reference("LIMIT"),
    }


def test_names_of_inner_functions_count():
    def operator(x):
        return [LIMIT * y for y in sorted(x, key=lambda y: abs(y) + 1)]

    assert {reference.name for reference in facts(operator).references} >= {"LIMIT", "sorted", "abs"}


def test_imports_as_they_are_written():
    source = """
def operator(x):
    import os.path
    from json import dumps, loads
    from . import near
    from ..far.away import thing
"""
    code = compile(source, "", "exec").co_consts[0]
    assert list(Facts.of(code).imports) == [
        Import("os.path"),
        Import("json", 0, ("dumps", "loads")),
        Import("", 1, ("near",)),
        Import("far.away", 2, ("thing",)),
    ]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("def op(x): return x + 1", "def op(x):\n\n    # why\n    return x + 1", True),
        ("def op(x): return x + 1", "def other(x): return x + 1", True),
        ("def op(x): return x + 1", "def op(x): return x - 1", False),
        ("def op(x): return x.real", "def op(x): return x.imag", False),
        ("def op(x, y): return y", "def op(y, x): return y", False),
        ("def op(x, y): return x", "def op(x, *, y): return x", False),
        ("def op(x): return x", "def op(x): yield x", False),
        ("def op(x): return x if x else 0", "def op(x): return 0 if x else x", False),
    ],
)
def test_tokens_tell_what_code_does_and_not_how_it_is_laid_out(one, other, alike):
    first, second = (Facts.of(compile(text, "", "exec").co_consts[0]).tokens for text in (one, other))
    assert (first == second) is alike


def test_constants_come_in_order_those_of_inner_functions_among_them():
    def operator(x):
        def inner(y):
            return y * 22.5

        return inner(x) + 11.5

    numbers = [value for value in facts(operator).constants if isinstance(value, float)]
    assert numbers == [22.5, 11.5]
