import dask.array
import numpy as np
import pytest
import zarr

from geopatcher.fields import DaskField
from geopatcher.fields.dask_field import ChunkedArray, pieces


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [((10, 20), (10, 20)), (((1, 1), (8, 8, 4), (5,)), (8, 5)), (((0,), (0,)), (1, 1))],
)
def test_the_first_piece_counts(chunks, expected):
    assert pieces(chunks) == expected


def test_dask_and_zarr_arrays_are_chunked(tmp_path):
    stored = zarr.create_array(tmp_path / "a.zarr", data=np.arange(600.0).reshape(20, 30), chunks=(10, 10))
    for array in (stored, dask.array.zeros((20, 30), chunks=10)):
        assert isinstance(array, ChunkedArray)
        assert DaskField(array).source.block_shape == (10, 10)
    field = DaskField.from_zarr(tmp_path / "a.zarr", nodata=7, crs="EPSG:3035")
    assert field.array.chunksize == (10, 10)
    assert field.domain.nodata == 7
    assert np.array_equal(np.asarray(field.array), stored[:])
    assert repr(field).startswith("DaskField(")
