"""How networks of PyTorch are called, without PyTorch: what is told from their parameters and from a tree."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from geopatcher.operators.models.torch_calls import Call, call_of_module, call_of_program


class ByName:
    def forward(self, s2, dem): ...


class Single:
    def forward(self, given): ...


class Open:
    def forward(self, *given): ...


class SingleAndMore:
    def forward(self, given, **more): ...


class Scripted:
    """A method of TorchScript tells its arguments, itself among them, by a schema."""

    def __init__(self, *names):
        self.forward = SimpleNamespace(
            schema=SimpleNamespace(arguments=[SimpleNamespace(name=name) for name in ("self", *names)])
        )


@pytest.mark.parametrize(
    ("module", "names", "call"),
    [
        (ByName(), ["dem", "s2"], Call.BY_NAME),
        (ByName(), ["a", "b"], Call.IN_ORDER),
        (Single(), ["a", "b"], Call.AS_DICT),
        (Open(), ["a", "b"], Call.IN_ORDER),
        (SingleAndMore(), ["a", "b"], Call.IN_ORDER),
        (Scripted("s2", "dem"), ["dem", "s2"], Call.BY_NAME),
        (Scripted("given"), ["dem", "s2"], Call.AS_DICT),
        (Scripted("x", "y"), ["dem", "s2"], Call.IN_ORDER),
        (object(), ["a", "b"], Call.IN_ORDER),
    ],
)
def test_a_call_follows_from_the_parameters(module, names, call):
    assert call_of_module(module, names) is call


class Tree:
    def __init__(self, args, named):
        self.args, self.named = args, named
        self.num_leaves = 2

    def unflatten(self, leaves):
        assert len(leaves) == self.num_leaves
        return self.args, self.named


@pytest.mark.parametrize(
    ("args", "named", "call"),
    [
        ((0, 1), {}, Call.IN_ORDER),
        ((), {"a": 0, "b": 1}, Call.BY_NAME),
        (({"a": 0, "b": 1},), {}, Call.AS_DICT),
        ((0,), {"b": 1}, Call.IN_ORDER),
    ],
)
def test_a_call_follows_from_the_tree_of_a_program(args, named, call):
    assert call_of_program(Tree(args, named)) is call


def test_one_tensor_is_handed_as_it_is():
    for call in Call:
        assert call.hand(lambda given: given, {"a": 3}) == 3
    assert Call.IN_ORDER.hand(lambda first, second: first - second, {"b": 3, "a": 1}) == 2
    assert Call.BY_NAME.hand(lambda a, b: a - b, {"b": 3, "a": 1}) == -2
    assert Call.AS_DICT.hand(lambda given: given["a"], {"b": 3, "a": 1}) == 1
