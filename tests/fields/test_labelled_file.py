"""Variables of files that xarray opens, here and elsewhere, against what it reads of the whole file."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest
from affine import Affine

import buckets
import geopatcher as gp
from faulty import Faulty
from geopatcher.errors import GeopatcherError, MissingExtraError, SourceError
from geopatcher.fields.choices import Choices

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
STEPS = RNG.integers(-300, 3000, (3, 400, 500)).astype("int16")
STEPS[0, :20, :30] = -999
DAYS = np.array(["2024-01-01", "2024-01-02", "2024-01-05"], "M8[ns]")


def written(path, **how):
    """Write three dates of packed values, in chunks of 100 x 100."""
    coords = {"time": DAYS, "lat": np.linspace(50, 42, 400), "lon": np.linspace(5, 15, 500)}
    said = {"scale_factor": 0.01, "add_offset": 250.0, "_FillValue": np.int16(-999), "units": "K"}
    dataset = xarray.Dataset({"t2m": (("time", "lat", "lon"), STEPS, said)}, coords)
    dataset.to_netcdf(path, **how)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    chunks = {"t2m": {"chunksizes": (1, 100, 100), "zlib": True}}
    written(folder / "deep.nc", engine="h5netcdf", encoding=chunks)
    written(folder / "old.nc", engine="netcdf4", format="NETCDF3_CLASSIC")
    (folder / "scene.grib2").write_bytes(b"GRIB")
    with Faulty(folder) as server:
        yield server


@pytest.fixture
def server(served, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    served.fails()
    return served


@pytest.mark.parametrize("workers", [None, 2])
def test_a_variable_by_its_address_is_what_xarray_reads(server, tmp_path, workers):
    path = f"{server.url}/deep.nc"
    how = {"variable": "t2m", "size": 64, "step": 64, "window": "boxcar", "workers": workers}
    result = gp.reconstruct(path, np.copy, tmp_path / "out.zarr", chunks=128, **how)
    np.testing.assert_array_equal(result.array, STEPS)
    assert (result.domain.nodata, result.domain.units[0]) == (-999, "K")
    with xarray.open_zarr(tmp_path / "out.zarr", mask_and_scale=False) as found:
        np.testing.assert_array_equal(found["time"].values, DAYS)
    scaled = gp.reconstruct(path, np.copy, scale_offset=True, **how)
    with xarray.open_dataset(server.folder / "deep.nc") as whole:
        np.testing.assert_allclose(scaled.array, whole["t2m"].values, rtol=1e-6)


def test_of_a_file_elsewhere_a_window_costs_its_chunks(server):
    path = f"{server.url}/deep.nc"
    size = (server.folder / "deep.nc").stat().st_size
    region = gp.Box(120, 180, 220, 280)
    result = gp.reconstruct(
        path, np.copy, variable="t2m", size=20, step=20, window="boxcar", region=region, crop=True
    )
    np.testing.assert_array_equal(result.array, STEPS[:, 120:180, 220:280])
    asked = sum(last + 1 - first for first, last in server.spans())
    assert asked < 0.5 * size
    assert result.stats.bytes_fetched > 0


@pytest.mark.parametrize("how", [{}, {"scale_offset": True}, {"bands": [2]}], ids=str)
def test_what_is_kept_of_a_file_elsewhere_is_in_the_plan(server, monkeypatch, how):
    path, sizes = f"{server.url}/deep.nc", {"variable": "t2m", "size": 64, "window": "boxcar", **how}
    size = (server.folder / "deep.nc").stat().st_size
    here = gp.plan(server.folder / "deep.nc", **sizes).working_bytes
    assert gp.plan(path, **sizes).working_bytes == here + size
    monkeypatch.setattr("geopatcher.formats.remote_file.KEPT_BYTES", size // 2)
    assert gp.plan(path, **sizes).working_bytes == here + size // 2


def test_a_file_elsewhere_that_has_changed_is_another_run(server, tmp_path):
    copy = server.folder / "copy.nc"
    copy.write_bytes((server.folder / "deep.nc").read_bytes())
    path, target = f"{server.url}/copy.nc", tmp_path / "out.zarr"
    how = {"variable": "t2m", "size": 64, "chunks": 128}
    gp.reconstruct(path, np.copy, target, **how)
    np.testing.assert_array_equal(gp.reconstruct(path, np.copy, target, **how).array, STEPS)  # it is the same
    copy.touch()
    with pytest.raises(GeopatcherError, match=r"out\.zarr"):
        gp.reconstruct(path, np.copy, target, **how)


@pytest.mark.parametrize("fault", ["503", "reset", "truncate", "404"])
def test_chunks_that_do_not_come_are_an_error_and_never_fill(server, fault, monkeypatch):
    monkeypatch.setattr("geopatcher.formats.opened_buckets.RETRIES", {"max_retries": 0})
    path = f"{server.url}/deep.nc"
    server.fails(fault, after=8)
    with pytest.raises(SourceError, match=r"deep\.nc"):
        gp.reconstruct(path, np.copy, variable="t2m", size=64)


def test_a_variable_in_a_bucket_with_credentials_of_where_it_is_read(served, gdal_variables, tmp_path):
    with buckets.moto() as port:
        buckets.upload(served.folder, port, "files", "era5")
        gdal_variables(**buckets.variables(port))
        how = {"variable": "t2m", "size": 64, "step": 64, "window": "boxcar"}
        found = gp.reconstruct("s3://files/era5/deep.nc", np.copy, **how)
        np.testing.assert_array_equal(found.array, STEPS)
        source = Choices("t2m").source("s3://files/era5/deep.nc")
        sent = pickle.dumps(source)
        assert buckets.SECRET.encode() not in sent
        assert buckets.KEY.encode() not in sent
        gdal_variables(THEIR_KEY=buckets.KEY, THEIR_SECRET=buckets.SECRET)
        source = Choices("t2m", credentials="buckets:given_here").source("s3://files/era5/deep.nc")
        np.testing.assert_array_equal(source.read(gp.Box(3, 9, 4, 8)), STEPS[:, 3:9, 4:8])
        with pytest.raises(SourceError, match=r"s3://files/era5/none\.nc"):
            gp.plan("s3://files/era5/none.nc", variable="t2m", size=64)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("old.nc", r"old\.nc is netCDF-3, .*nccopy -k nc4"),
        ("scene.grib2", r"GRIB files are read where they are on this machine: fetch .*scene\.grib2"),
        ("none.nc", r"there is no file .*none\.nc: check the address"),
        ("deep.nc?sig=1", r"without a user or a query, .* is none: fetch it"),
    ],
)
def test_what_cannot_be_read_from_elsewhere_is_said(server, name, words):
    with pytest.raises(SourceError, match=words):
        gp.plan(f"{server.url}/{name}", variable="t2m", size=64)


def test_what_is_not_installed_for_files_elsewhere_is_named(server, monkeypatch):
    path = f"{server.url}/deep.nc"
    monkeypatch.setattr(xarray.backends, "list_engines", dict)
    with pytest.raises(MissingExtraError, match=r"pip install 'geopatcher\[netcdf,cloud\]'"):
        gp.plan(path, variable="t2m", size=64)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'geopatcher\[cloud\]'"):
        gp.plan(path, variable="t2m", size=64)


def test_the_name_of_what_is_not_there(server):
    with pytest.raises(SourceError, match=r"deep\.nc has no variable 'sst'; its variables: t2m"):
        gp.plan(f"{server.url}/deep.nc", variable="sst", size=64)


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
