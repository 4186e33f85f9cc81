"""What a source or a field is, and what some of them can do."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.sources import (
    BandSelectable,
    Field,
    FromFiles,
    HasShape,
    HeldArrays,
    PixelSource,
    Shareable,
    SourceField,
    Unblocked,
)
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
    ("one", "protocol"),
    [
        (np.zeros(3), HasShape),
        (gp.RasterDomain((8, 9)), HasShape),
        (SimpleNamespace(shape=(8, 9)), HasShape),
        (SOURCE, PixelSource),
        (SOURCE, FromFiles),
        (SOURCE, BandSelectable),
        (SOURCE, Shareable),
        (SOURCE, Unblocked),
        (gp.RasterField(SOURCE), SourceField),
        (OwnField(), Field),
    ],
)
def test_who_keeps_a_protocol(one, protocol):
    assert isinstance(one, protocol)


@pytest.mark.parametrize(
    ("one", "protocol"),
    [
        (OwnField(), SourceField),
        (OwnField(), PixelSource),
        (np.zeros(3), Field),
        (np.zeros(3), PixelSource),
        (SOURCE, Field),
        (3, HasShape),
    ],
)
def test_who_does_not(one, protocol):
    assert not isinstance(one, protocol)


def test_a_field_of_three_names_is_reconstructed():
    result = gp.reconstruct(OwnField(), lambda x: x + 1, size=4)
    np.testing.assert_array_equal(result.array, np.ones((8, 9)))


def test_arrays_are_held_with_a_mask_or_without():
    array = np.zeros((8, 9))
    assert HeldArrays(array) == (array, None)
    assert SOURCE.held().array is SOURCE.array
