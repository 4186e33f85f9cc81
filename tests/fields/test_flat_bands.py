"""Arrays of several leading dimensions in one: against NumPy's own reshape."""

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.fields.flat_bands import FlatBands, Repeated, along_all, flat_bands

CELLS = np.arange(3 * 2 * 4 * 10 * 12).reshape(3, 2, 4, 10, 12)
FLAT = CELLS.reshape(24, 10, 12)
STORED = zarr.array(CELLS, chunks=(1, 1, 1, 5, 5))


@given(
    rows=st.slices(10).filter(lambda part: part.step is None or part.step > 0),
    cols=st.slices(12).filter(lambda part: part.step is None or part.step > 0),
    bands=st.slices(24).filter(
        lambda part: (part.step is None or part.step > 0) and len(range(24)[part]) > 0
    ),
)
@pytest.mark.parametrize("array", [CELLS, STORED], ids=["numpy", "zarr"])
def test_all_bands_and_some(array, rows, cols, bands):
    flat = FlatBands(array)
    np.testing.assert_array_equal(flat[..., rows, cols], FLAT[..., rows, cols])
    np.testing.assert_array_equal(flat[slice(None), rows, cols], FLAT[:, rows, cols])
    np.testing.assert_array_equal(flat[bands, rows, cols], FLAT[bands, rows, cols])


def test_what_lies_in_one_piece_is_not_wrapped():
    assert np.shares_memory(flat_bands(CELLS), CELLS)
    assert flat_bands(CELLS).shape == flat_bands(STORED).shape == (24, 10, 12)
    turned = CELLS.transpose(1, 0, 2, 3, 4)
    assert isinstance(flat_bands(turned), FlatBands)
    np.testing.assert_array_equal(flat_bands(turned)[..., 0:3, 2:5], turned.reshape(24, 10, 12)[:, 0:3, 2:5])
    assert flat_bands(FLAT) is FLAT


@pytest.mark.parametrize("held", [(True, False, False), (False, True, False), (True, False, True)])
def test_a_mask_is_repeated_along_what_it_does_not_have(held):
    lengths = (3, 2, 4)
    some = CELLS[tuple(slice(None) if each else 0 for each in held)]
    want = np.broadcast_to(
        some[tuple(slice(None) if each else np.newaxis for each in held)], (*lengths, 10, 12)
    ).reshape(24, 10, 12)
    found = along_all(some, lengths, held)
    assert found.shape == (24, 10, 12)
    np.testing.assert_array_equal(found[..., 2:9, 1:4], want[:, 2:9, 1:4])
    np.testing.assert_array_equal(found[5:7, 2:9, 1:4], want[5:7, 2:9, 1:4])
    assert Repeated(some, lengths, held).dtype == some.dtype


def test_a_mask_of_all_bands_stays_flat():
    plane = CELLS[0, 0, 0]
    assert along_all(plane, (3, 2, 4), (False, False, False)) is plane
    assert along_all(CELLS, (3, 2, 4), (True, True, True)).shape == (24, 10, 12)
