"""The bounds of an asynchronous split; what it gives is in `test_async_split`."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_in_flight": 0}, "max_in_flight must be 1 or more patches, not 0"),
        ({"max_in_flight_bytes": "much"}, "much"),
    ],
)
def test_bounds_that_are_none_are_refused_at_once(options, message):
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(8), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    with pytest.raises(ValueError, match=message):
        patcher.asplit(np.zeros((8, 8)), **options)
