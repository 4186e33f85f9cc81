"""What a source or a field is, and what some of them can do."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.sources import (
    BandSelectable,
    FromFiles,
    HasShape,
    HeldArrays,
    PixelSource,
    Shareable,
    Unblocked,
)
from geopatcher.fields.array_source import ArraySource

SOURCE = ArraySource.of(np.zeros((2, 8, 9)))


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
    ],
)
def test_who_keeps_a_protocol(one, protocol):
    assert isinstance(one, protocol)


@pytest.mark.parametrize(
    ("one", "protocol"),
    [
        (np.zeros(3), PixelSource),
        (3, HasShape),
    ],
)
def test_who_does_not(one, protocol):
    assert not isinstance(one, protocol)


def test_arrays_are_held_with_a_mask_or_without():
    array = np.zeros((8, 9))
    assert HeldArrays(array) == (array, None)
    assert SOURCE.held().array is SOURCE.array
