import json
import pickle

import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial import cKDTree

from geopatcher import PointDomain, RasterField
from geopatcher.fields import point_domain

PLACE = Affine(10, 0, 1000, 0, -10, 2000)


def raster(bands=0, shape=(40, 60), dtype="float32", **record):
    rng = np.random.default_rng(0)
    values = rng.integers(1, 250, (bands, *shape) if bands else shape).astype(dtype)
    return RasterField.from_array(values, transform=PLACE, crs="EPSG:32633", **record)


def points(n=300, seed=1, over=30):
    rng = np.random.default_rng(seed)
    return np.stack(
        [rng.uniform(1000 - over, 1600 + over, n), rng.uniform(1600 - over, 2000 + over, n)], axis=1
    )


@pytest.mark.parametrize("bands", [0, 3])
@pytest.mark.parametrize("tile", [512, 7])
def test_the_nearest_pixel_is_the_one_a_point_lies_in(bands, tile, monkeypatch):
    monkeypatch.setattr(point_domain, "TILE", tile)
    field, coords = raster(bands), points()
    sampled = PointDomain(coords, crs="EPSG:32633").sample(field)
    for number, (x, y) in enumerate(coords):
        row, col = int((2000 - y) // 10), int((x - 1000) // 10)
        inside = 0 <= row < 40 and 0 <= col < 60
        expected = field.source.array[..., row, col] if inside else np.nan
        assert np.array_equal(
            sampled[..., number], np.broadcast_to(expected, sampled.shape[:-1]), equal_nan=True
        )


@pytest.mark.parametrize("tile", [512, 7])
def test_linear_is_that_of_scipy_between_centres(tile, monkeypatch):
    monkeypatch.setattr(point_domain, "TILE", tile)
    field, coords = raster(2), points(over=-6)
    sampled = PointDomain(coords, interp="linear").sample(field)
    np.testing.assert_array_equal(PointDomain(coords, interp="bilinear").sample(field), sampled)
    y, x = 1995 - 10 * np.arange(40.0), 1005 + 10 * np.arange(60.0)
    for band in range(2):
        there = RegularGridInterpolator((y[::-1], x), field.source.array[band, ::-1].astype(float))
        assert np.allclose(sampled[band], there(coords[:, ::-1]), rtol=1e-5)


def test_between_the_last_centre_and_the_edge_the_last_pixel_counts():
    field = raster()
    sampled = PointDomain([(1001.0, 1999.0), (1600.0, 1600.0), (1600.1, 1600.0)], interp="linear").sample(
        field
    )
    assert np.array_equal(
        sampled, [field.source.array[0, 0], field.source.array[-1, -1], np.nan], equal_nan=True
    )


def test_what_is_missing_is_nan_and_does_not_spread():
    values = np.full((4, 4), 7, "uint8")
    values[1, 1] = 0
    field = RasterField.from_array(values, nodata=0)
    domain = PointDomain([(1.5, 1.5), (2.5, 1.5), (1.9, 1.5), (2.1, 1.5)])
    assert np.array_equal(domain.sample(field), [np.nan, 7, np.nan, 7], equal_nan=True)
    linear = PointDomain(domain.coords, interp="linear").sample(field)
    assert np.array_equal(linear, [np.nan, 7, np.nan, 7], equal_nan=True)
    assert linear.dtype == np.float32


def test_points_come_into_the_crs_of_the_raster():
    field, coords = raster(), points(over=-6)
    from pyproj import Transformer

    there = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True).transform(*coords.T)
    moved = PointDomain(np.stack(there, axis=1), crs="EPSG:4326")
    assert np.array_equal(moved.sample(field), PointDomain(coords, crs="EPSG:32633").sample(field))


def test_only_what_is_near_points_is_read():
    read = []

    class Watching(np.ndarray):
        def __getitem__(self, index):
            read.append(super().__getitem__(index).size)
            return super().__getitem__(index)

    array = np.zeros((5000, 5000), "uint8").view(Watching)
    domain = PointDomain([(10.5, 10.5), (4990.5, 4990.5), (12.5, 11.5)])
    assert domain.sample(RasterField.from_array(array)).tolist() == [0, 0, 0]
    assert sum(read) < 100


def test_paths_and_arrays_are_rasters(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    assert PointDomain([(0.5, 0.5)]).sample(np.full((2, 2, 2), 4)).tolist() == [[4.0], [4.0]]


def test_trees_are_built_when_they_are_asked_for():
    coords = points()
    tree = cKDTree(coords)
    assert PointDomain(coords, tree).plane_tree is tree
    domain = PointDomain(coords, crs="EPSG:32633")
    assert domain.plane_tree is domain.plane_tree
    assert np.allclose(np.linalg.norm(domain.vectors, axis=1), 1)
    other = pickle.loads(pickle.dumps(domain))  # noqa: S301
    assert np.array_equal(other.coords, coords)
    assert other.crs == domain.crs
    assert (len(domain), domain.shape, repr(domain)) == (300, (300,), "PointDomain(300 points, EPSG:32633)")


def test_what_are_no_points_is_refused():
    with pytest.raises(ValueError, match=r"coords are pairs \(x, y\)"):
        PointDomain([1.0, 2.0])
    with pytest.raises(ValueError, match="1 of 2 points are not finite, the first is number 1"):
        PointDomain([(0, 0), (0, np.nan)])
    with pytest.raises(ValueError, match="interp 'cubic' is none of nearest, linear, bilinear"):
        PointDomain([(0, 0)], interp="cubic")


@given(
    st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), min_size=1, max_size=5),
    st.sampled_from([None, "EPSG:4326", 3035, pyproj.CRS("EPSG:32633")]),
    st.sampled_from(["nearest", "linear"]),
)
def test_any_points_go_through_json(coords, crs, interp):
    domain = PointDomain(coords, crs=crs, interp=interp)
    back = PointDomain.from_config(json.loads(json.dumps(domain.get_config(), allow_nan=False)))
    assert back == domain
    assert hash(back) == hash(domain)
    assert domain != PointDomain([*coords, (0, 0)], crs=crs, interp=interp)
    assert domain != PointDomain(coords, crs="EPSG:3857", interp=interp)
    assert domain != "points"


def test_what_is_no_configuration_of_points_is_refused():
    with pytest.raises(TypeError, match=r"PointDomain has no parameter 'kdtree': it has coords, crs, interp"):
        PointDomain.from_config({"coords": [[0, 0]], "kdtree": None})
    with pytest.raises(TypeError, match="coords"):
        PointDomain.from_config({})
    with pytest.raises(ValueError, match="coords are pairs"):
        PointDomain.from_config({"coords": [0, 0]})


@pytest.mark.parametrize("left", [-180, 0, 180])
@pytest.mark.parametrize("interp", ["nearest", "linear"])
def test_longitudes_may_be_counted_otherwise(left, interp):
    place = Affine(1, 0, left, 0, -1, 90)
    east = (left + np.arange(360) + 0.5) % 360  # what each column holds: its longitude from 0 to 360
    globe = RasterField.from_array(np.tile(east, (180, 1)), transform=place, crs="EPSG:4326")
    points = [(-89.5, 10), (270.5, 10), (630.5, -3), (10.5, 80), (-169.5, 0), (190.5, 0)]
    found = PointDomain(points, crs="EPSG:4326", interp=interp).sample(globe)
    assert found.tolist() == [270.5, 270.5, 270.5, 10.5, 190.5, 190.5]
    (utm,) = PointDomain([(455_000, 4e6)], crs="EPSG:32617", interp="nearest").sample(globe)
    assert utm == 278.5
