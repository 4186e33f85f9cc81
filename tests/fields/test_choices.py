"""Variables by name: of zarr stores, netCDF and HDF5 files, and Datasets; bands by name or number."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import geopatcher as gp
from geopatcher.cli import main
from geopatcher.errors import SourceAccessError, SourceError

xarray = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")

IMAGE = np.random.default_rng(0).integers(1, 99, (40, 50)).astype("int16")
IMAGE[3, 4] = -9
STORED = {"size": 16, "window": "boxcar"}


@pytest.fixture
def dataset():
    coords = {"y": np.arange(40)[::-1] * 10.0 + 5, "x": np.arange(50) * 10.0 + 5}
    attributes = {"scale_factor": 0.5, "add_offset": -1.0, "_FillValue": np.int16(-9), "grid_mapping": "crs"}
    variables = {
        "ndvi": (("y", "x"), IMAGE, attributes),
        "evi": (("y", "x"), IMAGE[::-1].copy()),
        "crs": ((), 0, {"crs_wkt": "", "spatial_ref": "", "epsg_code": "EPSG:32633"}),
    }
    return xarray.Dataset(variables, coords)


@pytest.mark.parametrize(
    ("kind", "engine"), [("NETCDF4", "h5netcdf"), ("NETCDF4", "netcdf4"), ("NETCDF3_64BIT", None)]
)
def test_a_variable_of_a_netcdf_file(dataset, tmp_path, kind, engine):
    dataset.drop_vars("crs").to_netcdf(tmp_path / "a.nc", format=kind, engine=engine)
    stored = gp.reconstruct(tmp_path / "a.nc", np.copy, variable="ndvi", **STORED)
    np.testing.assert_array_equal(stored.array, IMAGE)
    assert stored.domain.nodata == -9
    assert stored.domain.metadata.bands[0].scale == 0.5
    scaled = gp.reconstruct(tmp_path / "a.nc", np.copy, variable="ndvi", scale_offset=True, **STORED)
    with xarray.open_dataset(tmp_path / "a.nc") as opened:
        np.testing.assert_allclose(scaled.array, opened["ndvi"].values, rtol=1e-6)
    with pytest.raises(SourceError, match=r"a.nc has no variable 'nvdi'; its variables: evi, ndvi"):
        gp.plan(tmp_path / "a.nc", size=16, variable="nvdi")


def test_workers_and_a_second_run_know_it(dataset, tmp_path):
    dataset.drop_vars("crs").to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    options = {**STORED, "variable": "evi", "chunks": 16}
    result = gp.reconstruct(tmp_path / "a.nc", np.negative, tmp_path / "x.zarr", workers=2, **options)
    np.testing.assert_array_equal(result.array, -IMAGE[::-1])
    again = gp.reconstruct(tmp_path / "a.nc", np.negative, tmp_path / "x.zarr", **options)
    assert again.stats.patches == result.stats.patches
    with pytest.raises(gp.errors.TargetExistsError):
        gp.reconstruct(tmp_path / "a.nc", np.negative, tmp_path / "x.zarr", **{**options, "variable": "ndvi"})


def test_a_variable_of_a_store_or_a_dataset(dataset, tmp_path):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    for name in ("ndvi", "evi"):
        array = group.create_array(name, shape=(40, 50), chunks=(20, 20), dtype="int16")
        array[:] = dataset[name].values
    for source in (tmp_path / "x.zarr", dataset.drop_vars("crs")):
        found = gp.reconstruct(source, np.copy, variable="evi", **STORED)
        np.testing.assert_array_equal(found.array, IMAGE[::-1])
        with pytest.raises(SourceError, match="'nvdi'.*; its (arrays|variables): evi, ndvi"):
            gp.plan(source, size=16, variable="nvdi")


def test_what_has_no_variables_is_refused(tmp_path):
    with pytest.raises(TypeError, match="names an array of a zarr store, of a netCDF.* not of a ndarray"):
        gp.plan(IMAGE, size=16, variable="ndvi")
    with pytest.raises(SourceAccessError, match="there is no file .*no.nc"):
        gp.plan(tmp_path / "no.nc", size=16, variable="ndvi")
    with pytest.raises(SourceError, match="and https://host/a.nc is none: fetch it"):
        gp.plan("https://me:hunter2@host/a.nc", size=16, variable="ndvi")
    with pytest.raises(ValueError, match="are for zarr stores, .* in buckets, not for what GDAL opens"):
        gp.plan(tmp_path / "a.tif", size=16, credentials="mine:give")
    with pytest.raises(ValueError, match="are for zarr stores, .* in buckets, not for ndarray"):
        gp.plan(IMAGE, size=16, credentials="mine:give")


def test_bands_are_chosen_by_name_or_number():
    image = np.stack([IMAGE, IMAGE * 2, IMAGE * 3])
    field = gp.RasterField.from_array(image, band_names=("red", "green", "nir"))
    result = gp.reconstruct(field, np.copy, bands=["nir", 1], **STORED)
    np.testing.assert_array_equal(result.array, image[[2, 0]])
    assert result.domain.band_names == ("nir", "red")
    with pytest.raises(ValueError, match="has no band called blue; its bands are red, green, nir"):
        gp.plan(field, size=16, bands=["blue"])


def test_the_command_line_takes_them(dataset, tmp_path):
    dataset.drop_vars("crs").to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    words = ["run", str(tmp_path / "a.nc"), str(tmp_path / "x.tif"), "--expr", "b1 + 0", "--size", "16"]
    done = CliRunner().invoke(main, [*words, "--variable", "ndvi", "--scale-offset"])
    assert done.exit_code == 0, done.output
    with xarray.open_dataset(tmp_path / "a.nc") as opened:
        np.testing.assert_allclose(
            gp.RasterField(tmp_path / "x.tif").source.read(gp.Box(0, 40, 0, 50))[0],
            opened["ndvi"].values,
            rtol=1e-5,
        )
    assert "numpy" in sys.modules
    done = CliRunner().invoke(main, ["plan", str(tmp_path / "a.nc"), "--variable", "nothing"])
    assert done.exit_code != 0
    assert "has no variable 'nothing'; its variables: evi, ndvi" in done.output
