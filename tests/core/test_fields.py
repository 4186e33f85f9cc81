"""What a field is, and what every field is made into."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.fields import Field, Refillable, SourceField
from geopatcher.core.sources import PixelSource
from geopatcher.fields.array_source import ArraySource

SOURCE = ArraySource.of(np.zeros((2, 8, 9)))


class OwnField:
    """What a stranger writes: three names."""

    domain = gp.RasterDomain((8, 9))

    def select(self, window):
        return np.zeros((window.height, window.width))

    def with_data(self, array):
        return self


@pytest.mark.parametrize(
    ("one", "protocol", "is_one"),
    [
        (gp.RasterField(SOURCE), SourceField, True),
        (OwnField(), Field, True),
        (OwnField(), Refillable, True),
        (OwnField(), SourceField, False),
        (OwnField(), PixelSource, False),
        (np.zeros(3), Field, False),
        (SOURCE, Field, False),
    ],
)
def test_who_keeps_a_protocol(one, protocol, is_one):
    assert isinstance(one, protocol) is is_one


def test_a_field_of_three_names_is_reconstructed():
    result = gp.reconstruct(OwnField(), lambda x: x + 1, size=4)
    np.testing.assert_array_equal(result.array, np.ones((8, 9)))
