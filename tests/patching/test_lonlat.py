import numpy as np
import pytest
from pyproj import Transformer

from geopatcher.patching.lonlat import (
    as_counted,
    bounds_as_counted,
    crs_of,
    from_degrees,
    is_in_degrees,
    on_earth,
    to_degrees,
    transformed,
    turn_of,
)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:3857", "EPSG:3995", "EPSG:3035"])
def test_degrees_are_those_of_pyproj(crs):
    x, y = np.array([400_000.0, 600_000.0]), np.array([5_000_000.0, 5_100_000.0])
    lon, lat = Transformer.from_crs(crs, crs_of(crs).geodetic_crs, always_xy=True).transform(x, y)
    assert np.allclose(to_degrees(crs, x, y), (lon, lat))
    assert np.allclose(from_degrees(crs, lon, lat), (x, y), atol=1e-3)


def test_degrees_stay_as_they_are():
    lon, lat = np.array([10.0, 200.0]), np.array([50.0, -90.0])
    assert np.array_equal(to_degrees("EPSG:4326", lon, lat), (lon, lat))
    assert np.array_equal(from_degrees("EPSG:4326", lon, lat), (lon, lat))


def test_grads_are_no_degrees():
    assert not is_in_degrees(crs_of("EPSG:4807"))  # NTF (Paris), in grads
    lon, lat = to_degrees("EPSG:4807", [0.0], [50.0])
    assert abs(lat[0] - 45) < 1e-9
    assert lon[0] == 0
    assert np.allclose(from_degrees("EPSG:4807", lon, lat), ([0.0], [50.0]))


def test_a_projected_crs_upon_grads():
    lon, lat = to_degrees("EPSG:27572", [600_000.0], [2_200_000.0])  # the origin: 0, 52 grads
    assert abs(lon[0]) < 1e-9
    assert abs(lat[0] - 46.8) < 1e-9


def test_beyond_the_edge_of_a_map_of_the_world_there_is_nothing():
    sinusoidal = "+proj=sinu +R=6371007.181"
    x, y = np.array([0.0, 19_000_000.0, 19_000_000.0]), np.array([9_000_000.0, 0.0, 9_000_000.0])
    assert on_earth(sinusoidal, x, y, *to_degrees(sinusoidal, x, y)).tolist() == [True, True, False]
    assert on_earth("EPSG:4326", x, y, x, y).all()


def test_coordinates_are_moved_where_both_crs_are_known():
    x, y = np.array([500_000.0]), np.array([0.0])
    assert np.allclose(transformed(x, y, "EPSG:32633", "EPSG:4326"), ([15.0], [0.0]))
    for source, target in [(None, "EPSG:4326"), ("EPSG:4326", None), ("EPSG:4326", "EPSG:4326")]:
        assert np.array_equal(transformed(x, y, source, target), (x, y))


def test_nonsense_is_refused_with_advice():
    with pytest.raises(ValueError, match="give an EPSG code"):
        crs_of("EPSG:no")


def test_longitudes_are_counted_around_a_centre():
    lon = np.array([-180.0, -90.0, 0.0, 179.5, 180.0, 269.5, np.inf])
    assert as_counted(lon, "EPSG:4326", 0.0)[:5].tolist() == lon[:5].tolist()
    assert as_counted(lon, "EPSG:4326", 180.0)[:6].tolist() == [180.0, 270.0, 0.0, 179.5, 180.0, 269.5]
    assert not np.isfinite(as_counted(lon, "EPSG:4326", 180.0)[-1])
    for crs in (None, "EPSG:3857"):
        assert as_counted(lon, crs, 180.0) is lon


def test_once_around_is_in_the_units_of_the_crs():
    assert turn_of("EPSG:4326") == pytest.approx(360)
    assert turn_of("EPSG:4807") == pytest.approx(400)  # Paris, in grads
    assert turn_of("EPSG:3857") is None


@pytest.mark.parametrize(
    ("edges", "own", "wanted"),
    [
        ((-90, -80), (0, 360), (270, 280)),
        ((270, 280), (-180, 180), (-90, -80)),
        ((179, -179), (0, 360), (179, 181)),
        ((10, 20), (-180, 180), (10, 20)),
        ((-180, 180), (-180, 180), (-180, 180)),
        ((179, 180 + 1e-8), (-180, 180), (179, 180 + 1e-8)),
    ],
)
def test_bounds_are_counted_as_a_raster_does(edges, own, wanted):
    found = bounds_as_counted((edges[0], 1.0, edges[1], 2.0), "EPSG:4326", (own[0], -90.0, own[1], 90.0))
    assert found == (wanted[0], 1.0, wanted[1], 2.0)
    assert bounds_as_counted((5.0, 1.0, 3.0, 2.0), "EPSG:3857", (0.0, 0.0, 1.0, 1.0)) == (5.0, 1.0, 3.0, 2.0)


@pytest.mark.parametrize(("edges", "own"), [((179, -179), (-180, 180)), ((-1, 1), (0, 360))])
def test_bounds_at_both_ends_of_a_raster_are_refused(edges, own):
    with pytest.raises(ValueError, match="lie at both ends of a raster from"):
        bounds_as_counted((edges[0], 1.0, edges[1], 2.0), "EPSG:4326", (own[0], -90.0, own[1], 90.0))
