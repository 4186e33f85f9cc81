from __future__ import annotations

import functools
import re

import numpy as np
import pytest

from geopatcher.identity.capabilities import Fingerprinted, Jitted, Stateful, Tensor, Wrapping


class Model:
    def fingerprint(self):
        return "weights 7"

    def state_dict(self):
        return {}


def test_each_capability_is_seen_in_who_has_it_and_in_nobody_else():
    wrapper = functools.wraps(len)(lambda x: 0)
    known = {
        "model": (Model(), {Fingerprinted, Stateful}),
        "wrapper": (wrapper, {Wrapping}),
        "cached": (functools.lru_cache(len), {Wrapping}),
        "array": (np.ones(3), set()),
        "pattern": (re.compile("a"), set()),
        "partial": (functools.partial(len), set()),
    }
    for one, wanted in known.values():
        kinds = (Fingerprinted, Jitted, Stateful, Tensor, Wrapping)
        assert {kind for kind in kinds if isinstance(one, kind)} == wanted


def test_a_tensor_of_torch_is_one_and_its_module_is_stateful():
    torch = pytest.importorskip("torch", reason="the extra that benchmarks need")
    assert isinstance(torch.ones(2), Tensor)
    assert isinstance(torch.nn.ReLU(), Stateful)
