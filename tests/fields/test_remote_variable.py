"""Variables of files elsewhere, against what xarray reads of the whole file here."""

from __future__ import annotations

import gc
import pickle
import sys

import numpy as np
import pytest

import buckets
import geopatcher as gp
from faulty import Faulty
from geopatcher.errors import GeopatcherError, MissingExtraError, SourceError
from geopatcher.fields.choices import Choices
from gribs import write_grib

pytest.importorskip("h5netcdf")
xarray = pytest.importorskip("xarray")

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
    written(folder / "grows.nc", engine="netcdf4", format="NETCDF3_64BIT", unlimited_dims=["time"])
    (folder / "scene.grib2").write_bytes(b"GRIB")
    (folder / "text.nc").write_bytes(b"no netCDF at all")
    with Faulty(folder) as server:
        yield server


@pytest.fixture
def server(served, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    served.fails()
    return served


KINDS = ("deep.nc", "old.nc", "grows.nc")


@pytest.mark.parametrize(("name", "workers"), [*((name, None) for name in KINDS), ("deep.nc", 2)])
def test_a_variable_by_its_address_is_what_xarray_reads(server, tmp_path, workers, name):
    path = f"{server.url}/{name}"
    how = {"variable": "t2m", "size": 64, "step": 64, "window": "boxcar", "workers": workers}
    result = gp.reconstruct(path, np.copy, tmp_path / "out.zarr", chunks=128, **how)
    np.testing.assert_array_equal(result.array, STEPS)
    assert (result.domain.nodata, result.domain.units[0]) == (-999, "K")
    with xarray.open_zarr(tmp_path / "out.zarr", mask_and_scale=False) as found:
        np.testing.assert_array_equal(found["time"].values, DAYS)
    scaled = gp.reconstruct(path, np.copy, scale_offset=True, **how)
    with xarray.open_dataset(server.folder / name) as whole:
        np.testing.assert_allclose(scaled.array, whole["t2m"].values, rtol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_of_a_file_elsewhere_a_window_costs_its_chunks(server, monkeypatch, name):
    monkeypatch.setattr("geopatcher.formats.remote_file.PAGE_BYTES", 16 << 10)
    path = f"{server.url}/{name}"
    size = (server.folder / name).stat().st_size
    region = gp.Box(120, 180, 220, 280)
    result = gp.reconstruct(
        path, np.copy, variable="t2m", size=20, step=20, window="boxcar", region=region, crop=True
    )
    np.testing.assert_array_equal(result.array, STEPS[:, 120:180, 220:280])
    asked = sum(last + 1 - first for first, last in server.spans())
    assert asked < 0.5 * size
    assert result.stats.bytes_fetched > 0


@pytest.mark.parametrize("how", [{}, {"scale_offset": True}, {"bands": [2]}], ids=str)
@pytest.mark.parametrize("name", KINDS)
def test_what_is_kept_of_a_file_elsewhere_is_in_the_plan(server, monkeypatch, how, name):
    path, sizes = f"{server.url}/{name}", {"variable": "t2m", "size": 64, "window": "boxcar", **how}
    size = (server.folder / name).stat().st_size
    here = gp.plan(server.folder / name, **sizes).working_bytes
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


@pytest.mark.parametrize("fault", ["503", "reset", "truncate", "404", "page"])
@pytest.mark.parametrize("name", ["deep.nc", "old.nc"])
def test_chunks_that_do_not_come_are_an_error_and_never_fill(server, fault, monkeypatch, name):
    monkeypatch.setattr("geopatcher.formats.opened_buckets.RETRIES", {"max_retries": 0})
    path = f"{server.url}/{name}"
    server.fails(fault, after=8)
    with pytest.raises(SourceError, match=name):
        gp.reconstruct(path, np.copy, variable="t2m", size=64)


@pytest.mark.parametrize("name", KINDS)
def test_signed_addresses_are_read_known_again_and_never_written_down(server, tmp_path, name, caplog):
    how = {"variable": "t2m", "size": 64, "step": 64, "window": "boxcar", "chunks": 128}
    target, log = tmp_path / "out.zarr", tmp_path / "log.jsonl"
    server.fails(need="Signature=hunter1", head=403)
    with caplog.at_level("DEBUG"):
        path = f"{server.url}/{name}?X-Amz-Date=1&X-Amz-Signature=hunter1"
        made = gp.reconstruct(path, np.copy, target, log_json=log, **how)
    np.testing.assert_array_equal(made.array, STEPS)
    server.fails(need="sig=hunter2", head=403)
    again = gp.reconstruct(f"{server.url}/{name}", np.copy, target, sign=sign, **how)
    assert again.stats.notes[0].startswith("complete since")
    written_down = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(b"hunter" in content for content in [*written_down, caplog.text.encode()])


def sign(address):
    """Return an address that lets us in."""
    return f"{address}?sig=hunter2"


class Renewed:
    """Signs with a number that is one more each time, as far as a file says so."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, address):
        number = len(list(self.folder.iterdir()))
        (self.folder / str(number)).touch()
        return f"{address}?sig=hunter{number}"


def test_a_signature_that_expires_in_mid_run_is_renewed(server, tmp_path):
    seen = []

    def operator(patch):
        seen.append(1)
        if len(seen) == 3:
            server.fails(need="sig=hunter1")
        return patch

    server.fails(need="sig=hunter0")
    (tmp_path / "signed").mkdir()
    made = gp.reconstruct(
        f"{server.url}/old.nc",
        operator,
        variable="t2m",
        size=64,
        step=64,
        window="boxcar",
        sign=Renewed(tmp_path / "signed"),
    )
    np.testing.assert_array_equal(made.array, STEPS)
    assert len(list((tmp_path / "signed").iterdir())) == 2


def test_workers_sign_by_themselves(server, tmp_path):
    server.fails(need="sig=hunter2", head=405)
    how = {"variable": "t2m", "size": 64, "step": 64, "window": "boxcar", "chunks": 128, "workers": 2}
    made = gp.reconstruct(f"{server.url}/old.nc", np.copy, tmp_path / "out.zarr", sign=sign, **how)
    np.testing.assert_array_equal(made.array, STEPS)
    assert b"hunter" not in pickle.dumps(Choices("t2m", sign=sign).source(f"{server.url}/old.nc"))


def test_a_variable_in_a_bucket_with_credentials_of_where_it_is_read(served, gdal_variables, tmp_path):
    with buckets.moto() as port:
        buckets.upload(served.folder, port, "files", "era5")
        gdal_variables(**buckets.variables(port))
        how = {"variable": "t2m", "size": 64, "step": 64, "window": "boxcar"}
        for name in KINDS:
            found = gp.reconstruct(f"s3://files/era5/{name}", np.copy, **how)
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
        ("text.nc", r"text\.nc is no netCDF, HDF5 or GRIB file: check the address"),
        ("none.nc", r"there is no file .*none\.nc: check the address"),
        ("deep.nc#part", r"without a user, .* is none: fetch it"),
    ],
)
def test_what_cannot_be_read_from_elsewhere_is_said(server, name, words):
    with pytest.raises(SourceError, match=words):
        gp.plan(f"{server.url}/{name}", variable="t2m", size=64)


def test_what_is_not_installed_for_files_elsewhere_is_named(server, monkeypatch):
    path = f"{server.url}/deep.nc"
    monkeypatch.setattr(xarray.backends, "list_engines", dict)
    with pytest.raises(MissingExtraError, match=r"reads http.*/scene\.grib2: pip install cfgrib"):
        gp.plan(f"{server.url}/scene.grib2", variable="t2m", size=64)
    with pytest.raises(MissingExtraError, match=r"pip install 'geopatcher\[netcdf,cloud\]'"):
        gp.plan(path, variable="t2m", size=64)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'geopatcher\[cloud\]'"):
        gp.plan(path, variable="t2m", size=64)


def test_the_name_of_what_is_not_there(server):
    with pytest.raises(SourceError, match=r"deep\.nc has no variable 'sst'; its variables: t2m"):
        gp.plan(f"{server.url}/deep.nc", variable="sst", size=64)


@pytest.mark.parametrize("workers", [None, 2])
def test_a_grib_file_is_fetched_once_and_its_copy_is_gone_behind_the_run(
    server, tmp_path, monkeypatch, workers
):
    pytest.importorskip("cfgrib")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "scratch").mkdir()
    fields = write_grib(server.folder / "gfs.f000")
    wanted = np.stack([fields["2t", day] for day in (20240101, 20240102)])
    server.fails(need="sig=hunter2", head=403)
    how = {"variable": "t2m", "size": 16, "step": 16, "window": "boxcar", "chunks": 16, "workers": workers}
    made = gp.reconstruct(f"{server.url}/gfs.f000", np.copy, tmp_path / "out.zarr", sign=sign, **how)
    np.testing.assert_allclose(made.array, np.where(wanted == 9999, np.nan, wanted), atol=1e-4)
    sizes = [last + 1 - first for first, last in server.spans()]
    assert sum(size > 1 for size in sizes) == 1 + (workers or 0)  # the others look whether it is the same
    source = Choices("t2m", sign=sign).source(f"{server.url}/gfs.f000")
    again = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own
    np.testing.assert_array_equal(again.read(gp.Box(3, 9, 4, 8)), source.read(gp.Box(3, 9, 4, 8)))
    del again, source
    gc.collect()
    assert [
        each.name for each in (tmp_path / "scratch").iterdir() if each.name.startswith("geopatcher-")
    ] == []
