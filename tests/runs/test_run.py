from __future__ import annotations

import numpy as np

import far
import geopatcher as gp

IMAGE = np.random.default_rng(0).random((64, 96)).astype("float32")
SIZES = {"size": 16, "step": 8, "chunks": 32}


def test_a_patch_that_fails_in_two_regions_is_told_once():
    executor = far.InlineExecutor((2, 3))
    result = gp.reconstruct(IMAGE, far.Fails(IMAGE[31, 31]), on_error="skip", executor=executor, **SIZES)
    wanted = [(row, col) for row in (16, 24) for col in (16, 24)]
    assert sorted(error.anchor for error in result.errors) == wanted
    missing = np.isnan(result.array)
    assert missing.sum() == 8 * 8
    assert missing[24:32, 24:32].all()
