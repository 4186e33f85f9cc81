from __future__ import annotations

import pickle

import numpy as np
import pytest

from geopatcher.errors import OperatorError
from geopatcher.operators.named import NamedOperator


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that can be imported by the name it is given."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


def test_a_function_is_called_and_travels_as_its_name():
    operator = NamedOperator("numpy:linalg.norm")
    assert operator(np.array([3.0, 4.0])) == 5.0
    assert operator.__name__ == "norm"
    assert operator.__wrapped__ is np.linalg.norm
    again = pickle.loads(pickle.dumps(operator))  # noqa: S301 - our own bytes
    assert repr(again) == "NamedOperator('numpy:linalg.norm')"
    assert again(np.array([3.0, 4.0])) == 5.0


def test_what_the_function_asks_for_it_asks_for(module):
    name = module(
        "asking_ops",
        "class Model:\n  wants_mask = wants_position = True\n"
        "  def __call__(self, patch, position): return position\n"
        "model = Model()\ndef plain(patch): return patch\n",
    )
    model, plain = NamedOperator(f"{name}:model"), NamedOperator(f"{name}:plain")
    assert (model.wants_mask, model.wants_position, model.__name__) == (True, True, "Model")
    assert (plain.wants_mask, plain.wants_position, plain.__name__) == (False, False, "plain")
    assert model(np.ones(1), "here") == "here"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("numpy", r"operator 'numpy' is not module:function, such as mymodels:predict"),
        ("os;x:y", "is not module:function"),
        (":f", "is not module:function"),
        ("no_such_module_anywhere:f", "cannot be imported: No module named 'no_such_module_anywhere'"),
        ("numpy:nothing.here", "module numpy has no nothing.here"),
        ("numpy:pi.real", "is a float, not a function"),
        ("numpy:pi", "is a float, not a function"),
    ],
)
def test_what_is_no_operator_is_said(reference, words):
    with pytest.raises(OperatorError, match=words):
        NamedOperator(reference)


def test_a_module_that_fails_when_it_is_imported_says_why(module):
    name = module("broken_ops", "raise ValueError('no licence')")
    with pytest.raises(OperatorError, match=r"'broken_ops:f' cannot be imported: .*no licence"):
        NamedOperator(f"{name}:f")
