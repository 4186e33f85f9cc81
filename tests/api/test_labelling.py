"""Cells with coordinates, as rioxarray reads them."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

import geopatcher as gp
from geopatcher.api.labelling import labelled_array

pytest.importorskip("rioxarray")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


@pytest.mark.parametrize("shape", [(4, 6), (3, 4, 6)])
@pytest.mark.parametrize("turned", [0.0, 2.0])
def test_cells_lie_where_the_domain_says(shape, turned):
    transform = Affine(10, turned, 5e5, turned, -10, 4.6e6)
    domain = gp.RasterDomain(
        shape,
        transform,
        "EPSG:32633",
        -9,
        np.dtype("float32"),
        band_names=("a", "b", "c")[: len(shape) * 3 - 6],
    )
    array = labelled_array(np.zeros(shape, "float32"), domain)
    assert array.rio.transform() == transform
    assert (array.rio.crs.to_epsg(), array.rio.nodata) == (32633, -9)
    assert ("x" in array.coords) == (turned == 0)
    if len(shape) == 3:
        assert array.attrs["long_name"] == ("a", "b", "c")
        assert array.band.values.tolist() == [1, 2, 3]


def test_a_mask_is_a_coordinate():
    domain = gp.RasterDomain((2, 2))
    array = labelled_array(np.ones((2, 2)), domain, np.array([[True, False], [True, True]]))
    assert array.valid.values.tolist() == [[1, 0], [1, 1]]
    assert array.attrs["ancillary_variables"] == "valid"
