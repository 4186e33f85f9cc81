"""What a model says of itself, and what of that decides a result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.operators.models.protocol import Described, ModelLike, Settings

KNOWN = Described("onnxruntime", "1.20", threads=2)


def test_what_decides_the_last_bit_is_told():
    assert KNOWN.identity == "onnxruntime 1.20 on cpu in fp32, 2 thread(s)"
    changes = ({"version": "1.21"}, {"device": "cuda"}, {"threads": 1})
    assert len({KNOWN.identity, *(replace(KNOWN, **change).identity for change in changes)}) == 4


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"device": "gpu"}, "device='gpu': choose one of auto, cpu, cuda"),
        ({"precision": "int8"}, "precision='int8': choose one of auto, fp32, fp16, bf16"),
    ],
)
def test_settings_that_cannot_be_are_refused(given, says):
    with pytest.raises(ValueError, match=says):
        Settings(**given)


def test_a_runtime_refuses_what_it_has_not():
    Settings().only("LightGBM")
    with pytest.raises(ValueError, match="LightGBM models run on cpu, not on cuda: leave device out"):
        Settings(device="cuda").only("LightGBM")
    with pytest.raises(ValueError, match="LightGBM models compute in fp32, not in bf16"):
        Settings(precision="bf16").only("LightGBM")


def test_models_are_told_from_functions():
    class Twice:
        def predict(self, rows):
            return rows * 2

    assert isinstance(gp.Model(Twice()), ModelLike)
    assert isinstance(gp.Ensemble([gp.Model(Twice())]), ModelLike)
    assert not isinstance(np.copy, ModelLike)
