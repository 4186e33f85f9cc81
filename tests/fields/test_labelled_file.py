"""Variables of files of this machine that xarray opens, against what it reads of the whole file."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

import geopatcher as gp
from geopatcher.errors import MissingExtraError, SourceError

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


def test_what_reads_a_file_is_named_where_it_is_missing(tmp_path):
    (tmp_path / "a.grib").write_bytes(b"GRIB")
    with pytest.raises(
        MissingExtraError, match="nothing that is installed reads .*a.grib .*pip install cfgrib"
    ):
        gp.plan(tmp_path / "a.grib", size=16, variable="t2m")
    (tmp_path / "a.nc").write_bytes(b"\x89HDF\r\n\x1a\nnothing")
    with pytest.raises(SourceError, match="cannot open .*a.nc"):
        gp.plan(tmp_path / "a.nc", size=16, variable="t2m")


RNG = np.random.default_rng(3)


def test_variables_of_a_grib_file_on_other_levels(tmp_path):
    eccodes = pytest.importorskip("eccodes")
    pytest.importorskip("cfgrib")
    fields = {
        (name, day): RNG.normal(280, 9, (30, 40)) for name in ("2t", "10u") for day in (20240101, 20240102)
    }
    fields["2t", 20240101][:5, :6] = 9999
    with (tmp_path / "a.grib2").open("wb") as file:
        for (name, day), values in fields.items():
            message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
            said = {
                "Ni": 40,
                "Nj": 30,
                "latitudeOfFirstGridPointInDegrees": 50.0,
                "latitudeOfLastGridPointInDegrees": 47.1,
                "longitudeOfFirstGridPointInDegrees": 5.0,
                "longitudeOfLastGridPointInDegrees": 8.9,
                "iDirectionIncrementInDegrees": 0.1,
                "jDirectionIncrementInDegrees": 0.1,
                "dataDate": day,
                "dataTime": 0,
                "typeOfLevel": "heightAboveGround",
                "level": 2 if name == "2t" else 10,
                "shortName": name,
                "bitsPerValue": 24,
                "bitmapPresent": 1,
                "missingValue": 9999,
            }
            for key, value in said.items():
                eccodes.codes_set(message, key, value)
            eccodes.codes_set_values(message, values.ravel())
            eccodes.codes_write(message, file)
            eccodes.codes_release(message)
    for name, variable in (("2t", "t2m"), ("10u", "u10")):
        wanted = np.stack([fields[name, day] for day in (20240101, 20240102)])
        result = gp.reconstruct(tmp_path / "a.grib2", np.copy, variable=variable, **STORED)
        np.testing.assert_allclose(result.array, np.where(wanted == 9999, np.nan, wanted), atol=1e-4)
        assert result.domain.leading[0].values == (19723, 19724)
        assert result.domain.transform.almost_equals(Affine(0.1, 0, 4.95, 0, -0.1, 50.05))
    assert [each.name for each in tmp_path.iterdir()] == ["a.grib2"], "nothing is written beside it"
