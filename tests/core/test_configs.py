"""Objects as JSON values and back."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from geopatcher.core.configs import Configured, check_keys, part_config, part_of, plain


@dataclass(frozen=True)
class Leaf(Configured):
    size: tuple[int, ...] = (1, 2)
    name: str | None = None


@dataclass(frozen=True)
class Tree(Configured):
    part_classes = (Leaf,)
    leaf: Leaf


@dataclass(frozen=True)
class Calls(Configured):
    forbid_in_yaml = True
    fn: object


def test_parts_are_named_and_made_again():
    config = Tree(Leaf((3,))).get_config()
    assert config == {"leaf": {"class": "Leaf", "config": {"size": [3], "name": None}}}
    back = Tree.from_config(json.loads(json.dumps(config)))
    assert back.leaf.get_config() == {"size": [3], "name": None}


def test_what_is_unknown_is_an_error():
    with pytest.raises(ValueError, match=r"Leaf has no 'sise': it has size, name"):
        Leaf.from_config({"sise": 3})
    with pytest.raises(ValueError, match=r"there is no 'Root' here: expected one of Leaf"):
        Tree.from_config({"leaf": {"class": "Root", "config": {}}})
    with pytest.raises(ValueError, match='expected {"class": a name'):
        part_of({"class": "Leaf", "config": {}, "more": 1}, (Leaf,))
    with pytest.raises(ValueError, match=r"x has no 'b': it has no arguments"):
        check_keys("x", {"b": 1}, ())


def test_functions_are_named_and_never_made():
    assert Calls(np.argmax).get_config() == {"fn": type(np.argmax).__name__}
    assert Calls(plain).get_config() == {"fn": "plain"}
    with pytest.raises(TypeError, match="Calls holds a function"):
        Calls.from_config({"fn": "plain"})


def test_values_are_those_of_json():
    assert plain([np.float32(0.5), np.arange(2), True]) == [0.5, [0, 1], True]
    with pytest.raises(TypeError, match="object is no JSON value"):
        plain(object())


def test_what_says_nothing_of_itself_cannot_be_written():
    with pytest.raises(TypeError, match="object has no get_config"):
        part_config(object())


def test_the_type_that_spatial_axes_name_is_the_class():
    class Old:
        def get_config(self):
            return {"type": "Old", "step": 3}

    assert part_config(Old()) == {"class": "Old", "config": {"step": 3}}
