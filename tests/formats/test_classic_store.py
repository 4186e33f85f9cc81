"""What xarray makes of files of the classic format that are read by ranges, against its own engine."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from classic_files import FORMATS, Held, filled

xarray = pytest.importorskip("xarray")
ClassicStore = pytest.importorskip("geopatcher.formats.classic_store").ClassicStore


@pytest.mark.parametrize("kind", FORMATS)
def test_a_dataset_is_that_of_the_engine(tmp_path, kind):
    held = Held(filled(tmp_path / "a.nc", kind))
    how = {"mask_and_scale": False, "decode_coords": "all"}
    with xarray.open_dataset(tmp_path / "a.nc", engine="netcdf4", **how) as wanted:
        found = xarray.open_dataset(ClassicStore(held), engine="store", **how)
        xarray.testing.assert_identical(found.load(), wanted.load())
        assert found.encoding["unlimited_dims"] == {"time"}


@pytest.mark.parametrize(
    "part",
    [
        (slice(None), slice(1, 4), slice(2, 5)),
        (-1, slice(None, None, -1), slice(6, 1, -2)),
        (slice(0, 0), 2, 3),
        (slice(2, 0, -1), -2, slice(None, None, 3)),
        ([2, 0], [1, 4, 4], slice(1, 3)),
    ],
    ids=str,
)
def test_parts_are_those_of_the_whole(tmp_path, part):
    held = Held(filled(tmp_path / "a.nc", "NETCDF3_CLASSIC"))
    whole = xarray.open_dataset(tmp_path / "a.nc", mask_and_scale=False).load()["grows i2"]
    found = xarray.open_dataset(ClassicStore(held), engine="store", mask_and_scale=False)["grows i2"]
    dims = dict(zip(whole.dims, part, strict=True))
    np.testing.assert_array_equal(found.isel(dims).values, whole.isel(dims).values)
    travelled = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own
    np.testing.assert_array_equal(travelled.isel(dims).values, whole.isel(dims).values)
