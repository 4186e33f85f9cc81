"""Masked arrays of NumPy and of Dask, taken apart."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.fields.masked import is_masked_lazily, parted

RANDOM = np.random.default_rng(3)
MISSING = RANDOM.random((2, 3, 7, 9)) > 0.7
CELLS = RANDOM.integers(0, 99, MISSING.shape)


@pytest.fixture
def dask():
    return pytest.importorskip("dask.array")


def test_what_is_not_masked_stays_what_it_is(dask):
    for array in (CELLS, dask.from_array(CELLS)):
        cells, held = parted(array)
        assert cells is array
        assert held is None
    assert not is_masked_lazily(np.ma.array([1], mask=[True]))


def test_of_masked_arrays_both_parts_are_known(dask):
    masked = np.ma.array(CELLS, mask=MISSING)
    for array in (masked, dask.from_array(masked, chunks=2)):
        cells, held = parted(array)
        assert np.array_equal(np.asarray(cells), CELLS)
        assert np.array_equal(np.asarray(held), ~MISSING)
    assert is_masked_lazily(dask.from_array(masked))


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("at", [(), (0,), (0, 0)], ids=["4d", "3d", "2d"])
@pytest.mark.parametrize("as_field", [lambda array: array, gp.DaskField], ids=["array", "field"])
def test_what_dask_masks_is_missing_in_a_run(dask, dtype, at, as_field):
    masked = np.ma.array(CELLS.astype(dtype), mask=MISSING)[at]
    source = as_field(dask.from_array(masked, chunks=(*(1,) * (masked.ndim - 2), 4, 4)))
    result = gp.reconstruct(source, lambda patch: patch, size=4, dtype="float32")
    assert np.array_equal(np.isnan(result.array), MISSING[at])
    assert np.allclose(result.array[~MISSING[at]], CELLS[at][~MISSING[at]])


def test_a_field_made_anew_of_a_masked_array_keeps_its_mask(dask):
    masked = np.ma.array(CELLS.astype("float32"), mask=MISSING)
    plain = gp.RasterField.from_array(np.zeros((7, 9)))
    for array in (masked, dask.from_array(masked)):
        found = plain.with_data(array).select(Window(0, 0, 9, 7))
        assert np.array_equal(np.isnan(found), MISSING)


def test_patches_over_time_keep_what_dask_masks(dask):
    masked = np.ma.array(CELLS.astype("float64"), mask=MISSING)[:, 0]
    patcher = gp.TemporalPatcher(
        gp.TemporalFixedLookback(1),
        gp.TemporalRegularStride(1),
        gp.TemporalCausalBoxcar(),
        gp.TemporalOverlapAdd(),
    )
    lazy = dask.from_array(masked, chunks=(1, 4, 4))
    assert np.array_equal(np.isnan(patcher.merge(patcher.split(lazy))), masked.mask)
    space = gp.SpatialPatcher(
        gp.SpatialRectangular(4), gp.SpatialRegularStride(2), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    both = gp.SpatioTemporalPatcher(space, patcher)
    assert np.array_equal(np.isnan(both.merge(both.split(lazy), lazy)), masked.mask)
