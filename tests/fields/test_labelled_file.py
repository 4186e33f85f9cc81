"""Variables of files that xarray opens; those of netCDF are read in test_choices."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.errors import MissingExtraError, SourceError

h5py = pytest.importorskip("h5py")
pytest.importorskip("h5netcdf")
pytest.importorskip("xarray")

IMAGE = np.random.default_rng(0).integers(1, 99, (40, 50)).astype("int16")
STORED = {"size": 16, "window": "boxcar"}


def test_an_array_in_groups_of_a_plain_hdf5_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("science/grids/data", data=IMAGE)
    result = gp.reconstruct(tmp_path / "a.h5", np.copy, variable="science/grids/data", **STORED)
    np.testing.assert_array_equal(result.array, IMAGE)


def test_what_reads_a_file_is_named_where_it_is_missing(tmp_path):
    (tmp_path / "a.grib").write_bytes(b"GRIB")
    with pytest.raises(
        MissingExtraError, match="nothing that is installed reads .*a.grib .*pip install cfgrib"
    ):
        gp.plan(tmp_path / "a.grib", size=16, variable="t2m")
    (tmp_path / "a.nc").write_bytes(b"\x89HDF\r\n\x1a\nnothing")
    with pytest.raises(SourceError, match="cannot open .*a.nc"):
        gp.plan(tmp_path / "a.nc", size=16, variable="t2m")
