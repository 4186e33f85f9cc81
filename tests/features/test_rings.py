"""Rings of many polygons in arrays: sums of cells in them, and who lies along a line."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio.features
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geopatcher.features.rings import NONE, Rings, straightened

CELLS = hnp.arrays("uint8", hnp.array_shapes(min_dims=2, max_dims=2, max_side=14), elements=st.integers(0, 2))


@settings(max_examples=200, deadline=None)
@given(values=CELLS, connectivity=st.sampled_from([4, 8]))
def test_sums_are_those_of_the_cells(values, connectivity):
    known = values != 2
    traced = [*rasterio.features.shapes(values, mask=known, connectivity=connectivity)]
    rings, codes = Rings.of(traced)
    cells = np.random.default_rng(values.size).random(values.shape)
    ids = np.full(values.shape, NONE)
    for index, (shape, _) in enumerate(traced):
        ids[rasterio.features.rasterize([shape], values.shape) == 1] = index
    inside = [ids == index for index in range(len(traced))]
    assert codes.tolist() == [value for _, value in traced]
    assert rings.totals(None).tolist() == [each.sum() for each in inside]
    assert rings.totals(cells) == pytest.approx(np.array([cells[each].sum() for each in inside]), abs=1e-9)
    assert rings.along(0, values.shape[1]).tolist() == ids[0].tolist()
    assert rings.along(values.shape[0], values.shape[1]).tolist() == ids[-1].tolist()
    shapes = rings.polygons(5)
    assert shapely.is_valid(shapes).all()
    assert shapely.area(shapes).tolist() == rings.totals(None).tolist()
    assert all(shape.bounds[1] >= 5 for shape in shapes)


def test_there_may_be_none():
    rings, codes = Rings.of(iter(()))
    assert (len(codes), len(rings.polygons(0)), rings.totals(None).size) == (0, 0, 0)
    assert rings.along(0, 3).tolist() == [NONE] * 3


def test_straight_edges_have_no_vertices_between_their_ends():
    dense = shapely.segmentize(shapely.box(0, 0, 4, 3) - shapely.box(1, 1, 2, 2), 1)
    made = straightened(dense)
    assert made.equals(dense)
    assert shapely.get_num_coordinates(made) == 10
