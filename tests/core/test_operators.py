"""What an operator may say of itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.operators import MaskAware, Named, PositionAware


class OwnOperator:
    wants_mask = wants_position = True


@pytest.mark.parametrize(
    ("one", "protocol"),
    [
        (OwnOperator(), MaskAware),
        (OwnOperator(), PositionAware),
        (gp.masked(np.negative), MaskAware),
        (gp.positioned(lambda patch, position: patch), PositionAware),
        (len, Named),
        (OwnOperator, Named),
    ],
)
def test_who_says_it(one, protocol):
    assert isinstance(one, protocol)


@pytest.mark.parametrize(
    ("one", "protocol"),
    [(lambda x: x, MaskAware), (lambda x: x, PositionAware), (SimpleNamespace(), Named)],
)
def test_who_does_not(one, protocol):
    assert not isinstance(one, protocol)
