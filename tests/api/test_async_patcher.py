"""The patcher of asynchronous fields is a patcher."""

from __future__ import annotations

import numpy as np

import geopatcher as gp


def test_it_has_the_constructor_and_the_verbs_of_a_patcher():
    axes = (gp.SpatialRectangular(8), gp.SpatialRegularStride(4), gp.SpatialHann(), gp.SpatialOverlapAdd())
    made = gp.AsyncSpatialPatcher(*axes, on_error="skip", max_retries=2)
    assert isinstance(made, gp.SpatialPatcher)
    assert (made.on_error, made.max_retries) == ("skip", 2)
    image = np.random.default_rng(0).random((20, 30))
    np.testing.assert_allclose(made.merge(made.split(image), image), image)
    assert repr(made).startswith("AsyncSpatialPatcher(")
