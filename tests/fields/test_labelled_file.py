"""Variables of files of this machine that xarray opens, against what it reads of the whole file."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

import geopatcher as gp
from geopatcher.errors import MissingExtraError, SourceError
from gribs import write_grib

h5py = pytest.importorskip("h5py")
pytest.importorskip("h5netcdf")
xarray = pytest.importorskip("xarray")

IMAGE = np.random.default_rng(0).integers(1, 99, (40, 50)).astype("int16")
STORED = {"size": 16, "window": "boxcar"}


def test_an_array_in_groups_of_a_plain_hdf5_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("science/grids/data", data=IMAGE)
    result = gp.reconstruct(tmp_path / "a.h5", np.copy, variable="science/grids/data", **STORED)
    np.testing.assert_array_equal(result.array, IMAGE)


def test_what_reads_a_file_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(xarray.backends.plugins, "list_engines", dict)
    (tmp_path / "a.grib").write_bytes(b"GRIB")
    with pytest.raises(
        MissingExtraError, match="nothing that is installed reads .*a.grib .*pip install cfgrib"
    ):
        gp.plan(tmp_path / "a.grib", size=16, variable="t2m")
    (tmp_path / "a.nc").write_bytes(b"\x89HDF\r\n\x1a\nnothing")
    with pytest.raises(SourceError, match="cannot open .*a.nc"):
        gp.plan(tmp_path / "a.nc", size=16, variable="t2m")


def test_variables_of_a_grib_file_on_other_levels(tmp_path):
    pytest.importorskip("cfgrib")
    fields = write_grib(tmp_path / "a.grib2")
    for name, variable in (("2t", "t2m"), ("10u", "u10")):
        wanted = np.stack([fields[name, day] for day in (20240101, 20240102)])
        result = gp.reconstruct(tmp_path / "a.grib2", np.copy, variable=variable, **STORED)
        np.testing.assert_allclose(result.array, np.where(wanted == 9999, np.nan, wanted), atol=1e-4)
        assert result.domain.leading[0].values == (19723, 19724)
        assert result.domain.transform.almost_equals(Affine(0.1, 0, 4.95, 0, -0.1, 50.05))
    assert [each.name for each in tmp_path.iterdir()] == ["a.grib2"], "nothing is written beside it"
