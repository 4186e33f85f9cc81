from __future__ import annotations

import functools
import math

import numpy as np

from geopatcher.identity.walk import Walk

SCALE = 2.0
TABLE = [1, 2]


def helper(x):
    return x * SCALE


def operator(x):
    return helper(x) + len(TABLE) + math.sqrt(2) + np.hypot(1, 2)


class Adder:
    step = 5

    def __call__(self, x):
        return x + self.step


def walked(named):
    walk = Walk()
    walk.refer(named)
    walk.finish()
    return walk


def test_a_function_leads_to_all_it_refers_to():
    walk = walked(operator)
    assert set(walk.parts) == {
        f"function operator of {__name__}",
        f"function helper of {__name__}",
        f"global SCALE of {__name__}",
        f"global TABLE of {__name__}",
        "version of numpy",
    }
    assert walk.parts[f"global SCALE of {__name__}"] == "2.0"
    assert walk.parts["version of numpy"] == np.__version__
    assert walk.has_code
    assert not walk.unknown


def test_a_value_that_is_set_changes_its_part_alone(monkeypatch):
    before = walked(operator).parts
    monkeypatch.setitem(globals(), "TABLE", [1, 3])
    after = walked(operator).parts
    assert {name for name in before if before[name] != after[name]} == {f"global TABLE of {__name__}"}


def test_a_class_leads_to_its_members():
    walk = walked(Adder)
    assert walk.parts[f"attribute step of class Adder of {__name__}"] == "5"
    assert f"function Adder.__call__ of {__name__}" in walk.parts


def test_two_of_the_same_name_have_labels_of_their_own():
    walk = Walk()

    def make(k):
        return lambda x: x * k

    first, second = make(2), make(3)
    assert walk.refer(first) != walk.refer(second)
    assert walk.refer(first) == walk.refer(first)
    walk.finish()
    variables = sorted(value for name, value in walk.parts.items() if name.startswith("variable k in"))
    assert variables == ["2", "3"]


def test_a_long_number_is_told_by_its_digest():
    walk = Walk()
    walk.part("short", 10**20)
    walk.part("long", 10**40)
    walk.part("short", 7)
    assert walk.parts["short"] == str(10**20)
    assert len(str(walk.parts["long"])) == 16


def test_what_is_unknown_is_told_with_where_it_was_met():
    walk = Walk()
    walk.part("argument k", (n for n in "ab"))
    walk.note_unknown("more")
    first, second = walk.unknown
    assert first.startswith("argument k: builtins.generator (")
    assert second == "more"


def test_attributes_are_the_state_of_an_object_where_it_has_no_other():
    walk = Walk()
    assert walk.attributes(functools.partial(len)) is None
    made = Adder()
    made.step = 6
    assert walk.attributes(made) == {"step": 6}
