"""Coordinates that are not in units of their CRS, against what GDAL makes of the same file."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from geopatcher.errors import SourceError
from geopatcher.fields import XarrayField
from geopatcher.fields.coordinate_units import unit_of

xarray = pytest.importorskip("xarray")
pyproj = pytest.importorskip("pyproj")
pytest.importorskip("netCDF4")

HEIGHT = 35_786_023.0
SATELLITE = {
    "grid_mapping_name": "geostationary",
    "perspective_point_height": HEIGHT,
    "semi_major_axis": 6378137.0,
    "semi_minor_axis": 6356752.31414,
    "longitude_of_projection_origin": -75.0,
    "sweep_angle_axis": "x",
}
ANGLES = np.linspace(0.1, 0.0905, 20), np.linspace(-0.1, -0.0885, 24)


def written(path, mapping, places, units, store=False):
    """Write a scene with coordinates of centres, rows first."""
    dataset = xarray.Dataset({"v": (("y", "x"), np.arange(480.0).reshape(20, 24), {"grid_mapping": "crs"})})
    dataset["crs"] = xarray.DataArray(0, attrs=mapping)
    for name, values in zip("yx", places, strict=True):
        said = {"units": units, "standard_name": f"projection_{name}_coordinate"}
        dataset = dataset.assign_coords({name: (name, values, said)})
    dataset.to_zarr(path) if store else dataset.to_netcdf(path)
    return path


def domain_of(path):
    return gp.reconstruct(path, np.copy, size=8, variable="v").domain


@pytest.mark.parametrize(("units", "times"), [("rad", 1), ("radian", 1), ("microradian", 1e6)])
@pytest.mark.parametrize("store", [False, True])
def test_angles_of_a_satellite_become_meters(tmp_path, units, times, store):
    named = "a.zarr" if store else "a.nc"
    path = written(tmp_path / named, SATELLITE, [each * times for each in ANGLES], units, store)
    domain = domain_of(path)
    with rasterio.open(written(tmp_path / "b.nc", SATELLITE, ANGLES, "rad")) as truth:
        assert domain.transform[:6] == pytest.approx(truth.transform[:6], rel=1e-9)
        here = pyproj.Transformer.from_crs(domain.crs, 4326, always_xy=True).transform(*domain.bounds[:2])
        there = pyproj.Transformer.from_crs(truth.crs, 4326, always_xy=True).transform(*truth.bounds[:2])
        assert here == pytest.approx(there, abs=1e-9)


def test_kilometres_become_units_of_the_crs(tmp_path):
    places = 3210 - np.arange(20) * 0.25, 4321 + np.arange(24) * 0.5
    laea = pyproj.CRS(3035)
    domain = domain_of(written(tmp_path / "a.nc", laea.to_cf(), places, "km"))
    assert domain.transform[:6] == pytest.approx((500, 0, 4_320_750, 0, -250, 3_210_125))
    inside = pyproj.CRS.from_proj4(laea.to_proj4().replace("+units=m", "+units=km"))
    domain = domain_of(written(tmp_path / "b.nc", {"crs_wkt": inside.to_wkt()}, places, "km"))
    assert domain.transform[:6] == pytest.approx((0.5, 0, 4320.75, 0, -0.25, 3210.125))


def test_a_part_by_another_crs_is_found_where_it_is(tmp_path):
    path = written(tmp_path / "a.nc", SATELLITE, ANGLES, "rad")
    whole = gp.reconstruct(path, np.copy, size=8, variable="v")
    x, y = (each * HEIGHT for each in (ANGLES[1][7], ANGLES[0][5]))
    lon, lat = pyproj.Transformer.from_crs(whole.domain.crs, 4326, always_xy=True).transform(x, y)
    spot = (lon - 1e-3, lat - 1e-3, lon + 1e-3, lat + 1e-3)
    part = gp.reconstruct(path, np.copy, size=8, variable="v", region=spot, region_crs=4326, crop=True)
    assert part.array[:].ravel().tolist() == [5 * 24 + 7]


def test_what_somebody_has_multiplied_already_stays(tmp_path):
    """xarray may keep the attributes of what it computes with."""
    path = written(tmp_path / "a.nc", SATELLITE, ANGLES, "rad")
    with xarray.open_dataset(path, decode_coords="all") as dataset:
        meters = dataset["v"].assign_coords(
            {name: (name, dataset[name].values * HEIGHT, dataset[name].attrs) for name in "yx"}
        )
        assert XarrayField(meters).domain.bounds == pytest.approx(domain_of(path).bounds)


def test_the_height_has_to_be_told(tmp_path):
    bare = {"crs_wkt": pyproj.CRS.from_cf(SATELLITE).to_wkt()}
    assert domain_of(written(tmp_path / "a.nc", bare, ANGLES, "rad")).transform.a == pytest.approx(
        0.0005 * HEIGHT
    )
    wrong = bare | {"perspective_point_height": "high"}
    with pytest.raises(SourceError, match="coordinates are in rad, and the CRS says no height"):
        domain_of(written(tmp_path / "b.nc", wrong, ANGLES, "rad"))


@pytest.mark.parametrize(
    ("units", "crs"),
    [("m", "EPSG:3035"), ("km", None), ("rad", "EPSG:3035"), ("rad", "EPSG:4326"), ("degrees", "EPSG:4326")],
)
def test_other_units_are_those_of_the_crs(units, crs):
    assert unit_of({"units": units}, np.arange(3.0), {}, crs) == 1
