"""Areas of equal cells, traced strip by strip: those of the raster traced whole."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import rasterio.features
import shapely
import shapely.geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from geopatcher.features.outlines import Strip, outlined
from geopatcher.features.rings import straightened


def strips_of(values, known, height, **measures):
    for row in range(0, len(values), height):
        rows = slice(row, row + height)
        parts = {name: cells[rows] for name, cells in measures.items()}
        yield Strip(row, values[rows], known[rows], parts)


def whole(values, known, connectivity):
    """Return what GDAL traces of all of it at once."""
    found = rasterio.features.shapes(values.astype("int32"), mask=known, connectivity=connectivity)
    shapes = [(shapely.geometry.shape(shape), int(value)) for shape, value in found]
    return Counter((value, normal(shape)) for shape, value in shapes)


def normal(shape):
    made = shape if shape.is_valid else shapely.make_valid(shape)
    return shapely.normalize(straightened(made)).wkt


def of_strips(values, known, height, connectivity):
    found = outlined(strips_of(values, known, height), connectivity)
    return Counter((each.value, shapely.normalize(each.outline).wkt) for each in found)


CELLS = hnp.arrays("int64", hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 2))


@settings(max_examples=300, deadline=None)
@given(values=CELLS, height=st.integers(1, 5), connectivity=st.sampled_from([4, 8]), seed=st.integers(0, 99))
def test_they_are_those_of_the_whole(values, height, connectivity, seed):
    known = np.random.default_rng(seed).random(values.shape) < 0.8
    assert of_strips(values, known, height, connectivity) == whole(values, known, connectivity)


@settings(max_examples=200, deadline=None)
@given(values=CELLS, height=st.integers(1, 4), connectivity=st.sampled_from([4, 8]))
def test_each_is_a_component_with_its_means(values, height, connectivity):
    measure = np.random.default_rng(values.size).random(values.shape)
    measure[measure < 0.1] = np.nan
    known = values != 2
    found = [*outlined(strips_of(values, known, height, m=measure), connectivity)]
    wanted = []
    for value in (0, 1):
        around = np.ones((3, 3)) if connectivity == 8 else None
        labels, n = ndimage.label(values == value, around)
        for index in range(1, n + 1):
            cells = measure[labels == index]
            mean = np.nanmean(cells) if np.isfinite(cells).any() else np.nan
            wanted.append((value, cells.size, round(float(mean), 9)))
    made = [(each.value, each.n_cells, round(each.mean("m"), 9)) for each in found]
    assert sorted(map(str, made)) == sorted(map(str, wanted))
    assert all(each.outline.area == each.n_cells and each.outline.is_valid for each in found)


def test_a_ring_around_all_seams_has_its_hole():
    values = np.zeros((40, 30), int)
    values[3:37, 4:26] = 7
    values[10:30, 10:20] = 0
    (ring,) = (each for each in outlined(strips_of(values, values == 7, 8)))
    assert (ring.value, ring.n_cells) == (7, 34 * 22 - 200)
    assert shapely.get_num_interior_rings(ring.outline) == 1
    assert len(ring.outline.exterior.coords) == len(ring.outline.interiors[0].coords) == 5


def test_those_that_end_are_given_before_the_next_strip_is_read():
    given = []

    def strips():
        for row in range(3):
            given.append(row)
            yield Strip(row, np.array([[row, 9]]), np.ones((1, 2), bool))

    seen = [(each.value, len(given)) for each in outlined(strips())]
    assert sorted(seen) == [(0, 2), (1, 3), (2, 3), (9, 3)]


@pytest.mark.parametrize("known", [False, True])
def test_nothing_is_nothing(known):
    cells = np.zeros((6, 4), int)
    assert len([*outlined(strips_of(cells, np.full((6, 4), known), 2))]) == known
    assert [*outlined([])] == []


def test_values_keep_their_size():
    values = np.array([[2**40, -(2**40)]])
    assert sorted(each.value for each in outlined(strips_of(values, values != 0, 1))) == [-(2**40), 2**40]
