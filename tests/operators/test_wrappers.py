from __future__ import annotations

import functools
import pickle

import numpy as np
import pytest

from geopatcher.operators.wrappers import OperatorWrapper, freshness_of, wants_mask, wants_position


class Model:
    def __init__(self, mask, position):
        self.wants_mask, self.wants_position = mask, position

    def __call__(self, patch, *more, scale=1):
        return (patch * scale, *more)


@OperatorWrapper
def decorated(patch):
    """Twice."""
    return patch * 2


@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize("position", [True, False])
def test_what_the_inner_one_asks_for_all_around_it_ask_for(mask, position):
    model = Model(mask, position)
    around = [
        functools.partial(functools.partial(model, scale=2), scale=3),
        OperatorWrapper(model),
        OperatorWrapper(OperatorWrapper(functools.partial(model))),
    ]
    for one in (model, *around):
        assert (wants_mask(one), wants_position(one)) == (mask, position)
    assert OperatorWrapper(around[0])(np.float64(2.0), "here") == (6.0, "here")
    assert OperatorWrapper(model)(np.float64(2.0), "here", scale=5) == (10.0, "here")


def test_an_operator_that_asks_for_nothing():
    assert not wants_mask(abs)
    assert not wants_position(functools.partial(max, 3))


def test_it_is_called_what_the_function_is_called():
    assert (decorated.__name__, decorated.__doc__) == ("decorated", "Twice.")
    assert OperatorWrapper(functools.partial(Model(mask=False, position=False))).__name__ == "Model"


def test_a_decorator_pickles_by_the_name_it_has_taken_and_others_by_what_they_hold():
    copy = pickle.loads(pickle.dumps(decorated))  # noqa: S301 - our own bytes
    assert copy is decorated
    other = pickle.loads(pickle.dumps(OperatorWrapper(abs)))  # noqa: S301 - our own bytes
    assert other(-3) == 3


def test_whether_results_are_fresh_is_asked_again_each_time_and_what_is_asked_for_only_once():
    class Learning:
        known = False
        looked_at = 0

        @property
        def gives_fresh(self):
            self.looked_at += 1
            return self.known

        def __call__(self, patch):
            return patch

    model = Learning()
    fresh = freshness_of(functools.partial(model))
    before = model.looked_at
    assert not fresh()
    model.known = True
    assert fresh()
    assert model.looked_at == before + 2
    assert not freshness_of(np.negative)()
