"""Classes that are generic for type checkers are ordinary ones at run time."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.api.split import PatchStream
from geopatcher.core.protocols import Field, SourceField
from geopatcher.core.typevars import D_co, Place_co, R_co


@pytest.mark.parametrize("variable", [D_co, R_co, Place_co], ids=str)
def test_they_are_covariant(variable):
    assert variable.__covariant__


@pytest.mark.parametrize(
    "generic", [gp.Patch, PatchStream, gp.SpatialPatcher, gp.RasterField, Field, SourceField]
)
def test_a_parameter_may_be_written(generic):
    assert generic[np.ndarray].__origin__ is generic


def test_what_is_made_with_a_parameter_is_what_is_made_without():
    with_one, without = gp.Patch[int](3, (0, 8), None), gp.Patch(3, (0, 8), None)
    assert type(with_one) is type(without)
    assert (with_one.data, with_one.anchor) == (without.data, without.anchor)
