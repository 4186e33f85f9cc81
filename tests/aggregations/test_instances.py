"""`SpatialInstances`: what it refuses, and what it is made of."""

from __future__ import annotations

import json

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.errors import OperatorError


def test_no_patches():
    got = gp.SpatialInstances().merge([], np.empty((2, 3)))
    np.testing.assert_array_equal(got, np.zeros((2, 3), "uint32"))


def test_refused():
    one = gp.Patch(np.ones((2, 2)), (0, 0), None)
    with pytest.raises(OperatorError, match=r"label 0\.5 in the patch at rows \[0, 2\)"):
        gp.SpatialInstances().merge([gp.Patch(np.full((2, 2), 0.5), (0, 0), None)], np.empty((4, 4)))
    with pytest.raises(OperatorError, match="two patches begin at the same pixel"):
        gp.SpatialInstances().merge([one, one], np.empty((4, 4)))
    with pytest.raises(ValueError, match="joins objects where patches overlap"):
        gp.SpatialInstances().merge([one, gp.Patch(np.ones((2, 2)), (0, 2), None)], np.empty((4, 4)))
    with pytest.raises(ValueError, match="4 numbered places"):
        gp.SpatialInstances().merge([], np.empty(4))


def test_what_it_is_made_of():
    one = gp.SpatialInstances(0.25, dtype="uint16")
    assert gp.SpatialInstances.from_config(json.loads(json.dumps(one.get_config()))) == one
    assert gp.SpatialInstances.streaming_safe
    assert one.iou == 0.25
