"""How cells become one in overviews, against a loop that looks at four cells at a time."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.targets.multiscales import (
    check_method,
    halve,
    halve_known,
    known_cells,
    level_domains,
    pyramid_attributes,
)

DTYPES = ["uint8", "int8", "int16", "uint16", "int64", "uint64", "float32", "float64"]
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7)


def naive(cells, method, nodata, fill):
    height, width = cells.shape
    out = np.empty((-(-height // 2), -(-width // 2)), cells.dtype)
    for row, col in np.ndindex(out.shape):
        four = cells[2 * row : 2 * row + 2, 2 * col : 2 * col + 2].ravel().tolist()
        known = [value for value in four if not np.isnan(value) and value != nodata]
        if not known:
            out[row, col] = fill
        elif method == "mode":
            votes = Counter(known)
            out[row, col] = min(value for value in known if votes[value] == max(votes.values()))
        elif cells.dtype.kind == "f":
            out[row, col] = sum(known) / len(known)
        else:
            out[row, col] = int((Fraction(sum(known), len(known)) + Fraction(1, 2)) // 1)
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", ["average", "mode"])
@given(data=st.data())
def test_four_cells_become_one_as_a_loop_has_it(dtype, method, data):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        elements = st.sampled_from([0.0, 1.0, 2.5, -7.25, 1e6, np.nan])
    else:
        limits = np.iinfo(kind)
        ends = [limits.min, limits.max, limits.max - 1]
        elements = st.sampled_from([*ends, 0, 1, 2, 5])
    cells = data.draw(hnp.arrays(kind, SHAPES, elements=elements))
    nodata = data.draw(st.sampled_from([None, 2 if kind.kind != "f" else 2.5]))
    fill = 0 if nodata is None else nodata
    before = cells.copy()
    got = halve(cells, method, known_cells(cells, nodata), fill)
    assert got.dtype == kind
    np.testing.assert_allclose(got, naive(cells, method, nodata, fill), rtol=1e-6)
    if kind.kind != "f":
        np.testing.assert_array_equal(got, naive(cells, method, nodata, fill))
    np.testing.assert_array_equal(cells, before)


def test_the_nearest_is_the_upper_left():
    cells = np.arange(15).reshape(3, 5)
    np.testing.assert_array_equal(halve(cells, "nearest", None, 0), [[0, 2, 4], [10, 12, 14]])


def test_nan_among_numbers_does_not_spread():
    cells = np.array([[np.nan, 2.0], [4.0, np.nan]], "float32")
    assert halve(cells, "average", known_cells(cells, np.nan), np.nan).tolist() == [[3.0]]


def test_infinities_stay():
    cells = np.array([[np.inf, 2.0], [4.0, 1.0]], "float32")
    assert halve(cells, "average", known_cells(cells, np.nan), np.nan).tolist() == [[np.inf]]


def test_a_mean_that_would_be_taken_for_missing_gives_way():
    cells = np.array([[-4, 4, 0, 0, 0, 7], [-2, 2, 0, 0, 0, -7]], "int16")
    known = np.array([[True] * 4 + [False, True], [True] * 4 + [False, True]])
    # Means are 0, 0 and 0; the second is one of zeros that hold data, which nothing can tell apart.
    assert halve(cells, "average", known, 0, 0).tolist() == [[-4, 0, 7]]
    assert halve(cells, "average", known, 0).tolist() == [[0, 0, 0]]
    floats = np.array([[1.0, np.nan], [-1.0, np.nan]])
    assert halve(floats, "average", ~np.isnan(floats), -9.0, 0.0).tolist() == [[1.0]]


@pytest.mark.parametrize("method", ["average", "mode", "nearest"])
def test_what_is_known_is_halved_alike(method):
    known = np.random.default_rng(0).random((7, 9)) < 0.3
    got = halve_known(known, method)
    for (row, col), held in np.ndenumerate(got):
        four = known[2 * row : 2 * row + 2, 2 * col : 2 * col + 2]
        assert held == (four[0, 0] if method == "nearest" else four.any())


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([16, 64, 512]))
def test_levels_halve_until_a_chunk_holds_all(height, width, side):
    domain = RasterDomain((2, height, width), Affine(10, 1, 7, 2, -10, 9), "EPSG:32633")
    shapes = [domain.grid_shape]
    for number, level in enumerate(level_domains(domain, (side, side)), start=1):
        assert level.grid_shape == tuple(-(-length // 2) for length in shapes[-1])
        assert max(shapes[-1]) > side
        shapes.append(level.grid_shape)
        step = 2**number
        assert level.transform == Affine(10 * step, step, 7, 2 * step, -10 * step, 9)
        assert (level.n_bands, level.crs) == (2, domain.crs)
    assert max(shapes[-1]) <= side


def test_the_attributes_follow_the_convention():
    spec = ResultSpec(
        RasterDomain((1, 100, 41), Affine(10, 0, 5, 0, -10, 9), "EPSG:32633"), (32, 32), 0, overview="mode"
    )
    attributes = pyramid_attributes(spec)
    # Told level by level, so not for the store: what the schema of ``spatial`` forbids.
    assert not {"spatial:transform", "spatial:shape"} & attributes.keys()
    layout = attributes["multiscales"]["layout"]
    assert [entry["asset"] for entry in layout] == ["data", "1/data", "2/data"]
    assert [entry.get("derived_from") for entry in layout] == [None, "data", "1/data"]
    assert all("transform" in entry for entry in layout[1:])
    assert [entry["spatial:shape"] for entry in layout] == [[100, 41], [50, 21], [25, 11]]
    assert layout[2]["spatial:transform"] == [40.0, 0.0, 5.0, 0.0, -40.0, 9.0]
    assert attributes["multiscales"]["resampling_method"] == "mode"
    assert "d35379db-88df-4056-af3a-620245f8e347" in {
        convention["uuid"] for convention in attributes["zarr_conventions"]
    }


def test_other_methods_are_refused():
    check_method(None)
    with pytest.raises(ValueError, match="overview 'cubic' is none of average, mode, nearest"):
        check_method("cubic")
